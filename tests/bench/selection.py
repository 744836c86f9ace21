"""A scheduled rule's selection from a million keywords by status and volume, against the query a person would write."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Select, func, insert, select, text
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.record_models import in_scope
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.planner.models import Keyword
from tests.bench.table import Line, milliseconds
from tests.factories import make_account, make_sector, make_site

RECORDS, CHUNK, TAKEN = 1_000_000, 20_000, 50
CONDITIONS = {
    "all": [
        {"field": "status", "operator": "eq", "value": "new"},
        {"field": "volume", "operator": "gte", "value": 500},
    ]
}
BY_HAND = text(
    "SELECT id FROM keyword WHERE account_id = :account AND status = 'new' AND volume >= 500 AND site_id IN "
    "(SELECT id FROM site WHERE account_id = :account AND status = 'active') ORDER BY id LIMIT 50"
)


def lines(engine: Engine) -> Iterator[Line]:
    """Fill the database and measure: the selection, and its count."""
    with Session(engine) as session:
        account_id = fill(session, RECORDS)
        ours = selection(account_id)
        most = {"account": account_id}
        yield Line(
            f"select {TAKEN} of {RECORDS:,} keywords, {engine.dialect.name}",
            milliseconds(lambda: session.execute(ours).all()),
            milliseconds(lambda: session.execute(BY_HAND, most).all()),
            "ms",
            3,
        )
        counted = select(func.count()).select_from(ours.limit(None).order_by(None).subquery())
        by_hand = text(BY_HAND.text.replace("SELECT id", "SELECT COUNT(*)").partition(" ORDER")[0])
        yield Line(
            f"count the matching ones of {RECORDS:,}, {engine.dialect.name}",
            milliseconds(lambda: session.execute(counted).all()),
            milliseconds(lambda: session.execute(by_hand, most).all()),
            "ms",
            3,
        )


def selection(account_id: int) -> Select[int]:
    """The query of a run: the oldest records in scope that match."""
    now, node = datetime.now(UTC), parse_conditions(CONDITIONS, record_type="keyword")
    clause = matching(
        node, record_type="keyword", scope=RuleScope(account_id, None, None), now=now, zone=ZoneInfo("UTC")
    )
    query = select(Keyword.id).where(in_scope(Keyword, account_id, None, None), clause)
    return query.order_by(Keyword.id).limit(TAKEN)


def fill(session: Session, records: int) -> int:
    """So many keywords of one account: one in twenty new, volumes with a long tail. Returns the account's id."""
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))
    common = {"account_id": account.id, "site_id": sector.site_id, "sector_id": sector.id}
    now, rng = datetime.now(UTC), random.Random(1)
    common |= {"created_at": now, "updated_at": now, "status_since": now}
    for start in range(0, records, CHUNK):
        rows = [
            {
                "text": f"keyword {number}",
                "status": "new" if rng.random() < 0.05 else "clustered",
                "volume": int(rng.paretovariate(1) * 10),
            }
            for number in range(start, min(start + CHUNK, records))
        ]
        session.execute(insert(Keyword), [common | row for row in rows])
    session.commit()
    session.execute(text("ANALYZE"))
    session.commit()
    return account.id
