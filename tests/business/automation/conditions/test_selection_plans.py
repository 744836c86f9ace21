"""What a scheduled rule selects by status and volume is read from an index, however many records there are."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, insert, select, text
from sqlalchemy.orm import Session

from app.business.archived_rows import IN_USE
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.record_models import in_scope
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.planner.models import Keyword
from tests.factories import make_account, make_sector, make_site
from tests.query_plans import as_installed

INDEX = "ix_keyword_account_id_status_volume"
BY_AGE = "ix_keyword_account_id_status_id"
BY_STATUS_AND_VOLUME = [
    {"field": "status", "operator": "eq", "value": "new"},
    {"field": "volume", "operator": "gte", "value": 1900},
]


def selection(session: Session, now: datetime, leaves: list[dict[str, object]]) -> Select[int]:
    """The oldest fifty, as a scheduled run asks for them."""
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))
    common = {"account_id": account.id, "site_id": sector.site_id, "sector_id": sector.id}
    stamps = {"created_at": now, "updated_at": now, "status_since": now}
    session.execute(
        insert(Keyword),
        [
            common
            | stamps
            | {"text": f"keyword {n}", "status": "new" if n % 20 == 0 else "clustered", "volume": n}
            for n in range(2000)
        ],
    )
    node = parse_conditions({"all": leaves}, record_type="keyword")
    clause = matching(
        node, record_type="keyword", scope=RuleScope(account.id, None, None), now=now, zone=ZoneInfo("UTC")
    )
    query = select(Keyword.id).where(in_scope(Keyword, account.id, None, None), clause)
    return query.order_by(Keyword.id).limit(50)


def plan_of(session: Session, query: Select[int]) -> str:
    dialect = session.get_bind().dialect
    explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
    if dialect.name == "postgresql":
        session.execute(text("ANALYZE keyword"))
    as_installed(session)
    written = str(query.options(IN_USE).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return "\n".join(str(row[-1]) for row in session.execute(text(f"{explain} {written}")))


def test_status_and_volume_are_looked_up_together(session: Session, now: datetime) -> None:
    """SQLite may also read those of the status by age: without statistics it cannot tell that fewer have the volume."""
    plan = plan_of(session, selection(session, now, BY_STATUS_AND_VOLUME))
    assert "SCAN keyword" not in plan, plan
    by_volume = INDEX in plan and re.search(r"volume ?>", plan)
    is_on_sqlite = session.get_bind().dialect.name == "sqlite"
    assert by_volume or (is_on_sqlite and f"{BY_AGE} (account_id=? AND status=?)" in plan), plan


def test_a_field_without_an_index_reads_as_one(session: Session, now: datetime) -> None:
    """Shows that the test above can fail."""
    by_difficulty: list[dict[str, object]] = [{"field": "difficulty", "operator": "lt", "value": 30}]
    assert INDEX not in plan_of(session, selection(session, now, by_difficulty))
