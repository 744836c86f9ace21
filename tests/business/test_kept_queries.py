"""Queries of one form share it, find what each of them would find by itself, and take little memory."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Select, bindparam, create_engine, func, literal, select
from sqlalchemy.engine.interfaces import Compiled, Dialect
from sqlalchemy.orm import Session, selectinload

from app.business.accounts.services.scope import Scope
from app.business.kept_queries import kept, kept_queries
from app.business.plain_rows import plain_rows
from app.business.planner.models import Keyword
from tests.deep_size import deep_size
from tests.factories import make_account, make_cluster, make_keyword, make_sector, make_site

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOST_BYTES = 2_000
"""Of a query whose form is there."""


def build(scope: Scope, text: str, limit: int) -> Select[str, int]:
    since = bindparam("since", type_=Keyword.created_at.type)
    some = select(Keyword.text).where(scope.sees(Keyword), Keyword.text != text, Keyword.created_at >= since)
    found = some.order_by(Keyword.text).limit(limit).subquery().c
    return select(found.text, func.count().over()).order_by(found.text)


built = kept_queries(1_000)(build)


@pytest.mark.both_databases
def test_each_finds_what_it_would_find_by_itself(session: Session) -> None:
    scopes = []
    for account in (make_account(session), make_account(session)):
        sites = [make_site(session, account) for _ in range(3)]
        for number, site in enumerate(sites):
            for text in ("lamp", "lantern", f"{account.name} {number}"):
                make_keyword(session, make_sector(session, site), text=text).created_at = NOW
        few, many = (frozenset(site.id for site in some) for some in (sites[:1], sites[1:]))
        scopes += [Scope(account.id), Scope(account.id, few), Scope(account.id, many)]
    session.commit()
    forms, some = set[int](), False
    for scope in scopes:
        for text, limit in (("lamp", 2), ("lantern", 20), ("nobody's", 3)):
            query = built(scope, text, limit)
            forms.add(id(query.form))
            for since in (NOW, NOW + timedelta(days=1)):
                found = list(map(tuple, plain_rows(session, query, {"since": since})))
                alone = plain_rows(session, build(scope, text, limit), {"since": since})
                assert found == list(map(tuple, alone))
                some = some or bool(found)
    assert some
    # Of all sites of an account, of one, and of some.
    assert len(forms) == 3


def test_entities_come_with_what_is_loaded_with_them(session: Session) -> None:
    """By statements of their own, which are other than the query."""
    sectors = [make_sector(session, make_site(session, make_account(session))) for _ in range(2)]
    for sector in sectors:
        made = make_keyword(session, sector, text="lamp")
        made.cluster_id = make_cluster(session, sector, name=f"of {sector.id}").id
        make_keyword(session, sector, text="archived").archived_at = NOW
    session.commit()
    for sector in [*sectors, *sectors]:
        session.expunge_all()
        mine = select(Keyword).where(Keyword.sector_id == sector.id)
        (keyword,) = kept(mine.options(selectinload(Keyword.cluster))).entities(session, {})
        assert keyword.cluster
        assert (keyword.text, keyword.cluster.name) == ("lamp", f"of {sector.id}")


def test_one_more_takes_little_memory(session: Session) -> None:
    scopes = [Scope(number, frozenset({number})) for number in range(1, 5)]
    queries = [built(scope, f"text {scope.account_id}", 10) for scope in scopes]
    assert len({id(query.form) for query in queries}) == 1
    plain_rows(session, queries[0], {"since": NOW})
    form = {id(queries[0].form)}
    assert max(deep_size(query, known=form) for query in queries) < MOST_BYTES
    assert deep_size(build(scopes[0], "text", 10)) > 4 * MOST_BYTES


def test_databases_that_are_asked_in_turn_have_it_compiled_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    query, compiled = kept(select(literal(1).label("asked in turn"))), list[str]()
    compile_for = Select._compiler

    def noting(self: Select[int], dialect: Dialect, **options: object) -> Compiled:
        compiled.append(dialect.name)
        return compile_for(self, dialect, **options)

    monkeypatch.setattr(Select, "_compiler", noting)
    engines = [create_engine("sqlite://") for _ in range(2)]
    for engine in engines * 3:
        with engine.connect() as connection:
            assert query.rows(connection, {})[0][0] == 1
    assert len(compiled) == 2
