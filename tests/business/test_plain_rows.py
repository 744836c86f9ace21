"""What is read past the session is what the session would read."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword
from tests.factories import make_account, make_keyword, make_sector, make_site

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_archived_records_are_left_out(session: Session) -> None:
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))
    kept, archived = (make_keyword(session, sector, text=text) for text in ("kept", "archived"))
    archived.archived_at = NOW
    session.commit()
    mine = select(Keyword.id).where(Keyword.account_id == account.id)
    some = mine.limit(5).subquery()
    for query, found in (
        (mine, [(kept.id,)]),
        (select(func.count()).select_from(some), [(1,)]),
        (select(func.count(Keyword.id)).where(Keyword.account_id == account.id), [(1,)]),
    ):
        assert list(map(tuple, plain_rows(session, query))) == found
        assert list(map(tuple, session.execute(query))) == found


def test_it_reads_in_the_transaction_of_the_session(session: Session) -> None:
    account = make_account(session)
    session.flush()
    query = select(func.count()).select_from(type(account)).where(type(account).id == account.id)
    assert plain_rows(session, query)[0][0] == 1
    session.rollback()
    assert plain_rows(session, query)[0][0] == 0
