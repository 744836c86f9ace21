"""A statement that is ready finds what SQLAlchemy finds by the query, in values, kinds and names."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import (
    BindParameter,
    Column,
    Date,
    ExceptionContext,
    Integer,
    MetaData,
    Select,
    Table,
    bindparam,
    case,
    event,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.archived_rows import in_use
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.base import Json, UtcDateTime
from app.business.kept_queries import KeptQuery, kept
from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword, KeywordStatus
from app.business.words_as_text import words_as_text
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.modules.automation_pages import make_rule

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


ROUNDS = 3
"""First SQLAlchemy executes a query, and then the driver gets it as it is."""
ELSEWHERE = timezone(timedelta(hours=9))
SINCE = bindparam("since", type_=UtcDateTime())
OF_ACCOUNT: BindParameter[int] = bindparam("account_id")


def kinds_of_queries(account: Account, rule: AutomationRule) -> dict[str, tuple[Any, list[dict[str, Any]]]]:
    """Each with values of its parameters that find different rows."""
    mine = Keyword.account_id == account.id
    words = select(Keyword.text, Keyword.status).where(mine)
    days = [{"since": (NOW - timedelta(days=back)).astimezone(ELSEWHERE)} for back in (0, 2, 1, 5)]
    recent = words.where(Keyword.created_at >= SINCE).order_by(Keyword.id)
    in_some = words.where(Keyword.status.in_(list(KeywordStatus)[:2]), Keyword.created_at >= SINCE)
    named = select(Keyword.text).where(mine, Keyword.text.in_(bindparam("texts", expanding=True)))
    return {
        "no values": (words.order_by(Keyword.id), [{}]),
        "a time": (recent, days),
        "a time twice": (recent.where(Keyword.updated_at >= SINCE), days),
        "a list that never differs before a parameter": (in_some.order_by(Keyword.id), days),
        "words as text": (words_as_text(in_some.order_by(Keyword.id)), days),
        "a list of any length": (
            named.order_by(Keyword.id),
            [{"texts": texts} for texts in (["100 %"], [], ["100 %", "it's 2"], ["it's 2"])],
        ),
        "an account": (
            select(func.count()).select_from(Keyword).where(Keyword.account_id == OF_ACCOUNT),
            [{"account_id": id} for id in (account.id, 0, account.id)],
        ),
        "a value that may be given": (
            select(func.count()).where(mine, Keyword.id > bindparam("after", 0)),
            [{"after": after} for after in (0, 10**9, 0, 10**9)],
        ),
        "times, numbers, nothing": (
            select(Keyword.created_at, Keyword.archived_at, Keyword.volume, Keyword.id)
            .where(mine)
            .order_by(Keyword.id),
            [{}],
        ),
        "the same column twice": (
            select(Keyword.id, Keyword.text, Keyword.id).where(mine).order_by(Keyword.id),
            [{}],
        ),
        "columns without names": (
            select(func.count(), func.count(Keyword.volume), func.max(Keyword.created_at)).where(mine),
            [{}],
        ),
        "a document": (
            select(RuleVersion.definition, RuleVersion.definition["name"], literal({"a": [1]}, Json())).where(
                RuleVersion.rule_id == rule.id
            ),
            [{}],
        ),
        "truths and days": (
            select(
                AutomationRule.is_active, literal(NOW.date(), Date()), bindparam("on", type_=Date())
            ).where(AutomationRule.id == rule.id),
            [{"on": NOW.date() - timedelta(days=back)} for back in range(3)],
        ),
        "a sign of parameters in a text": (
            select(case((Keyword.text == "100 %", "%(a)s ? :b"), else_="no")).where(
                mine, Keyword.created_at >= SINCE
            ),
            days,
        ),
        "two in one": (
            union_all(
                *(select(few.limit(1).subquery()) for few in (recent, words.order_by(Keyword.id.desc())))
            ),
            days,
        ),
    }


@pytest.mark.both_databases
def test_it_finds_what_sqlalchemy_finds(session: Session) -> None:
    account = make_account(session)
    sector = make_sector(session, make_site(session, account))
    for number, text in enumerate(("100 %", "it's 1", "it's 2")):
        made = make_keyword(session, sector, text=text)
        made.created_at = made.updated_at = NOW - timedelta(days=number)
        made.volume = None if number else 40
    rule = make_rule(session, account)
    session.commit()
    for kind, (query, many) in kinds_of_queries(account, rule).items():
        asked = kept(query)
        for _ in range(ROUNDS):
            for values in many:
                wanted = session.connection().execute(in_use(query), values).all()
                found = plain_rows(session, asked, values)
                assert list(map(tuple, found)) == list(map(tuple, wanted)), (kind, values)
                assert kinds_in(found) == kinds_in(wanted), (kind, values)
                assert [row._fields for row in found] == [row._fields for row in wanted], kind


def kinds_in(rows: Any) -> list[list[type]]:
    return [[type(value) for value in row] for row in rows]


def test_queries_of_one_form_keep_their_own_values(session: Session) -> None:
    """However many are listed."""
    here, there = make_account(session), make_account(session)
    ids = [make_keyword(session, make_sector(session, make_site(session, here))).id for _ in range(3)]
    session.commit()

    def number_in(account: Account, ids: list[int]) -> KeptQuery[Select[int]]:
        listed = select(func.count()).select_from(Keyword).where(Keyword.id.in_(ids))
        return kept(listed.where(Keyword.created_at <= SINCE, Keyword.account_id == account.id))

    queries = [
        (number_in(account, ids[:most]), most if account is here else 0)
        for most in range(4)
        for account in (here, there)
    ]
    assert len({id(query.form) for query, _ in queries}) == 1
    for _ in range(ROUNDS):
        for query, number in queries:
            assert plain_rows(session, query, {"since": datetime.now(UTC)})[0][0] == number


@pytest.mark.both_databases
def test_what_the_driver_refuses_is_refused_as_by_sqlalchemy(session: Session) -> None:
    """With the same error, and with those told who listen for errors."""
    table = Table("refusing", MetaData(), Column("id", Integer))
    table.create(session.connection())
    session.commit()
    asked, errors = kept(select(table.c.id)), list[BaseException | None]()
    assert plain_rows(session, asked) == []
    assert [*asked.form.ready.values()] != [None]
    table.drop(session.connection())
    session.commit()
    engine = session.get_bind()

    def note(context: ExceptionContext) -> None:
        errors.append(context.sqlalchemy_exception)

    event.listen(engine, "handle_error", note)
    try:
        with pytest.raises(DBAPIError) as refused:
            plain_rows(session, asked)
    finally:
        event.remove(engine, "handle_error", note)
        session.rollback()
    with pytest.raises(type(refused.value)):
        session.connection().execute(select(table.c.id))
    session.rollback()
    assert errors == [refused.value]


def test_who_watches_statements_sees_all_of_them(session: Session) -> None:
    asked = kept(select(func.count()).select_from(Account))
    seen: list[str] = []
    for _ in range(ROUNDS):
        plain_rows(session, asked)
    engine = session.get_bind()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        plain_rows(session, asked)
        session.commit()
        plain_rows(session, asked)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert sum(said.startswith("SELECT") for said in seen) == 2
