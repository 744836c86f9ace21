"""Ids that a query gets as one value: the rows of exactly those, found by the key."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from app.business.planner.models import Site
from app.business.sql_functions import is_among
from tests.factories import make_account, make_site

pytestmark = pytest.mark.both_databases
QUERY = select(Site.id).where(is_among(Site.id, "ids")).order_by(Site.id)


def test_any_number_of_ids_finds_exactly_their_rows(session: Session) -> None:
    account = make_account(session)
    ids = [make_site(session, account).id for _ in range(4)]
    for wanted in ([], ids[:1], ids[1:], [*ids, max(ids) + 1], [ids[0], ids[0]]):
        assert session.scalars(QUERY, {"ids": wanted}).all() == sorted({*wanted} & {*ids})


def test_the_ids_are_looked_up_by_the_key(session: Session) -> None:
    account = make_account(session)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = QUERY.compile(session.get_bind())
        lines = session.connection().exec_driver_sql(f"EXPLAIN {compiled}", {"ids": [1, 2]}).scalars()
        assert any("Index Cond: (id = ANY" in line for line in lines)
    else:
        # Statistics of another test may say that there are few sites, which are read as a whole.
        site = make_site(session, account)
        common = {"account_id": account.id, "created_at": site.created_at, "updated_at": site.updated_at}
        session.execute(insert(Site), [{"name": f"Of many {n}", **common} for n in range(2_000)])
        session.execute(text("ANALYZE"))
        compiled = QUERY.compile(session.get_bind())
        lines = [
            row[3]
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[1, 2]",))
        ]
        assert lines[0] == "SEARCH site USING INTEGER PRIMARY KEY (rowid=?)"
