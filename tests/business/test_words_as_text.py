"""Queries with the words of enumerations in their text find what they found before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, case, event, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword, KeywordStatus
from app.business.words_as_text import limits_as_text, words_as_text
from tests.factories import make_account, make_keyword, make_sector, make_site

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
NEW, CLUSTERED, IGNORED = KeywordStatus


@contextmanager
def sent(engine: Engine) -> Iterator[list[tuple[str, Sequence[Any]]]]:
    """Each statement, with its parameters."""
    found: list[tuple[str, Sequence[Any]]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def account(session: Session) -> Account:
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))
    for number, status in enumerate((NEW, NEW, NEW, CLUSTERED, CLUSTERED, IGNORED)):
        made = make_keyword(session, sector, text=f"it's number {number}")
        made.status, made.created_at = status, NOW - timedelta(days=number)
    session.commit()
    return account


@pytest.mark.both_databases
def test_it_finds_the_same(session: Session, account: Account) -> None:
    mine = select(Keyword.status, func.count()).where(Keyword.account_id == account.id)
    since = mine.where(Keyword.created_at >= bindparam("since", type_=Keyword.created_at.type))
    kind = case((Keyword.status.in_((NEW, CLUSTERED)), literal("it's open")), else_=Keyword.status)
    few = select(Keyword.id).where(Keyword.account_id == account.id, Keyword.status == NEW).limit(2)
    parts = (mine.where(Keyword.status == status).group_by(Keyword.status) for status in KeywordStatus)
    inner = select(kind.label("kind"), literal(1).label("one")).where(Keyword.account_id == account.id)
    of = inner.subquery().c
    for query, values in (
        (since.group_by(Keyword.status).order_by(Keyword.status), {"since": NOW - timedelta(days=3)}),
        (mine.where(Keyword.status.not_in((NEW,))).group_by(Keyword.status).order_by(Keyword.status), {}),
        (select(func.count()).select_from(few.subquery()), {}),
        (union_all(*parts), {}),
        (select(of.kind, func.sum(of.one)).where(of.kind != IGNORED).group_by(of.kind), {}),
    ):
        found = list(map(tuple, plain_rows(session, query, values)))
        assert list(map(tuple, plain_rows(session, words_as_text(query), values))) == found != []


def test_queries_that_differ_by_a_word_are_told_apart(session: Session, account: Account) -> None:
    def number_of(*statuses: KeywordStatus) -> int:
        of = select(func.count()).where(Keyword.account_id == account.id, Keyword.status.in_(statuses))
        return plain_rows(session, words_as_text(of))[0][0]

    for _ in range(2):
        assert [number_of(status) for status in KeywordStatus] == [3, 2, 1]
        assert [number_of(NEW, CLUSTERED), number_of(NEW, IGNORED), number_of(CLUSTERED, IGNORED)] == [
            5,
            4,
            3,
        ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_only_words_are_text(session: Session, account: Account) -> None:
    """Or the statements of two accounts would be two."""
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    with sent(engine) as found:
        for owner in (account.id, make_account(session).id):
            of = select(Keyword.id).where(
                Keyword.account_id == owner, Keyword.status.in_((NEW, CLUSTERED)), Keyword.text != "a"
            )
            plain_rows(session, words_as_text(of))
    (first, values), (second, others) = [one for one in found if "keyword.text" in one[0]]
    assert first == second
    assert "('new', 'clustered')" in first
    assert (*values, *others) == (account.id, "a", owner, "a")


@pytest.mark.both_databases
@pytest.mark.parametrize("as_text", [limits_as_text, words_as_text])
def test_limits_are_text(session: Session, account: Account, as_text: Any) -> None:
    """Or PostgreSQL would expect a tenth of all rows, and keep no plan."""
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    mine = select(Keyword.id).where(Keyword.account_id == account.id).order_by(Keyword.id)
    with sent(engine) as found:
        for most in (2, 3, 2):
            first = mine.limit(most).subquery()
            query = select(first.c.id).order_by(first.c.id).limit(5)
            assert len(plain_rows(session, as_text(query))) == most
    texts = [text for text, _ in found if "keyword.id" in text]
    assert [("LIMIT 2" in text, "LIMIT 3" in text, "LIMIT 5" in text) for text in texts] == [
        (True, False, True),
        (False, True, True),
        (True, False, True),
    ]
