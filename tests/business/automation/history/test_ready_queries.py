"""Queries that a process keeps ready answer for the present moment, for one scope, and without archived rows."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.run_models import Status
from app.business.automation.services.history import run_list
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import runs_page
from app.business.automation.services.history.upcoming import upcoming
from app.business.planner.models import Keyword
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_keyword, make_sector, make_site

pytestmark = pytest.mark.both_databases


def test_a_list_that_is_asked_again_is_as_of_now(session: Session, now: datetime) -> None:
    account = make_account(session)
    rule = make_rule(session, account)
    ended = make_run(session, rule, now - timedelta(hours=1))
    planned = make_run(session, rule, now + timedelta(hours=1), Status.PENDING, finished_at=None)
    scope = Scope(account.id)
    for filters in (RunFilters(), RunFilters(rules=[rule.id]), RunFilters(status=["completed", "pending"])):
        for at, runs in ((now, [ended]), (now + timedelta(hours=2), [planned, ended]), (now, [ended])):
            assert runs_page(session, scope, filters, None, 50, at).rows == runs
    for at, count in ((now, 1), (now + timedelta(hours=2), 0), (now, 1)):
        assert upcoming(session, scope, at, 10).count == count


def test_a_list_that_is_asked_again_is_of_its_own_scope(session: Session, now: datetime) -> None:
    account, other = make_account(session), make_account(session)
    here, there = (make_site(session, account) for _ in range(2))
    rule = make_rule(session, account)
    runs = {
        site.id: make_run(session, rule, now - timedelta(hours=1), site_id=site.id) for site in (here, there)
    }
    foreign = make_run(session, make_rule(session, other), now - timedelta(hours=1))
    seen = [
        (Scope(account.id), {*runs.values()}),
        (Scope(account.id, frozenset([here.id])), {runs[here.id]}),
        (Scope(account.id, frozenset([there.id])), {runs[there.id]}),
        (Scope(account.id, frozenset()), set()),
        (Scope(other.id), {foreign}),
    ]
    run_list._ready_page.cache_clear()
    for scope, rows in [*seen, *reversed(seen)]:
        assert {*runs_page(session, scope, RunFilters(), None, 50, now).rows} == rows
    assert run_list._ready_page.cache_info()[:2] == (len(seen), len(seen))


def test_a_kept_statement_leaves_out_what_is_archived_meanwhile(session: Session, now: datetime) -> None:
    sector = make_sector(session, make_site(session, make_account(session)))
    kept, archived = make_keyword(session, sector), make_keyword(session, sector)
    query = select(Keyword).order_by(Keyword.id)
    assert session.scalars(query).all() == [kept, archived]
    archived.archived_at = now
    session.flush()
    assert session.scalars(query).all() == [kept]
    assert session.scalars(query, execution_options=WITH_ARCHIVED).all() == [kept, archived]
    assert session.scalars(query.where(Keyword.id >= archived.id)).all() == []
    assert session.scalars(query).all() == [kept]
