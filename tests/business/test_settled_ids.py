"""Walks by ascending ids: a row committed late, below rows that stand already, is neither missed nor repeated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from app.business import settled_ids
from app.business.accounts.models import Account, AuditEntry
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.history.run_list import runs_page
from app.business.errors import Busy
from app.business.paging import encode, keyset_page
from app.business.planner.services.record_lists import KEYWORDS
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_keyword, make_sector, make_site

pytestmark = pytest.mark.both_databases
ARRIVING, WRITERS, IN_ONE = 1_000, 4, 25


@pytest.fixture
def account(session: Session) -> Account:
    account = make_account(session)
    session.commit()
    return account


def engine_of(session: Session) -> Engine:
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    return engine


def entry(account: Account, action: str) -> AuditEntry:
    return AuditEntry(
        account_id=account.id, action=action, subject_type="site", subject_id=1, created_at=datetime.now(UTC)
    )


@contextmanager
def running(*bodies: Callable[[], None]) -> Iterator[None]:
    threads = [Thread(target=body, daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def test_a_page_waits_for_a_lower_id_that_is_still_to_be_committed(
    session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(session)
    if engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time")
    with Session(engine) as late, Session(engine) as early:
        late.add(entry(account, "late"))
        late.flush()
        early.add(entry(account, "early"))
        early.commit()
        monkeypatch.setattr(settled_ids, "LONGEST_WAIT_SECONDS", 0.0)
        with pytest.raises(Busy, match="being saved"):
            actions(session, account)
        monkeypatch.setattr(settled_ids, "LONGEST_WAIT_SECONDS", 60.0)
        looked = Event()
        look = settled_ids._writers
        monkeypatch.setattr(settled_ids, "_writers", lambda *asked: [look(*asked), looked.set()][0])

        def commit_when_looked() -> None:
            looked.wait()
            late.commit()

        with running(commit_when_looked):
            assert actions(session, account) == ["late", "early"]
        assert actions(session, account, oldest=False) == ["early", "late"]


def actions(session: Session, account: Account, *, oldest: bool = True) -> list[str]:
    query = select(AuditEntry).where(AuditEntry.account_id == account.id)
    page = keyset_page(session, query, keys=[AuditEntry.id], cursor=None, limit=9, oldest=oldest)
    session.rollback()
    return [row.action for row in page.rows]


def test_a_walk_while_1000_runs_arrive_from_four_writers_has_each_run_once(
    session: Session, account: Account, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled_ids, "LONGEST_WAIT_SECONDS", 60.0)
    rule = make_rule(session, account)
    like = make_run(session, rule, now)
    session.commit()
    engine, scope, start = engine_of(session), Scope(account.id), Barrier(WRITERS + 1)
    columns = [column for column in ScheduledTask.__table__.columns if column.name not in ("id", "start_id")]
    values = {column.name: getattr(like, column.key) for column in columns if hasattr(like, column.key)}
    session.rollback()
    writers = [Thread(target=open_runs, args=(engine, values, number, start)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    found: list[int] = []
    newest: list[list[int]] = []
    cursor, is_last = None, False
    start.wait()
    while not is_last:
        is_last = not any(writer.is_alive() for writer in writers)
        page = runs_page(session, scope, RunFilters(by_id=True), cursor, 40, now)
        found += [run.id for run in page.rows]
        # The end for now: the walk goes on after its last row.
        cursor = page.next_cursor or after(page.rows) or cursor
        is_last = is_last and not page.next_cursor
        session.rollback()
        session.expunge_all()
        if len(newest) < 3:
            newest.append(walk_of_newest(session, scope, now))
    assert len(found) == len(set(found))
    assert set(found) == set(session.scalars(select(ScheduledTask.id)))
    assert len(found) == ARRIVING + 1
    for walk in newest:
        assert len(walk) == len(set(walk))


def after(rows: Any) -> str | None:
    return encode([rows[-1].id]) if rows else None


def walk_of_newest(session: Session, scope: Scope, now: datetime) -> list[int]:
    """With what was there when it began, wherever it stands."""
    there = set(session.scalars(select(ScheduledTask.id)))
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = runs_page(session, scope, RunFilters(), cursor, 100, now)
        found += [run.id for run in page.rows]
        cursor = page.next_cursor
        session.rollback()
    assert there <= set(found)
    return found


def open_runs(engine: Engine, values: dict[str, Any], number: int, start: Barrier) -> None:
    """A quarter of the runs, some in transactions that take an id early and are committed late."""
    random, share = Random(number), ARRIVING // WRITERS
    start.wait()
    with Session(engine) as session:
        for first in range(0, share, IN_ONE):
            for index in range(first, first + IN_ONE):
                row = values | {"cause": Cause.MANUAL, "request_key": f"{number}-{index}"}
                session.execute(insert(ScheduledTask), [row])
                if random.random() < 0.2:
                    session.commit()
            session.commit()


def test_records_are_listed_by_age_in_full_while_others_are_added(
    session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(session)
    sector = make_sector(session, make_site(session, account))
    session.commit()
    with Session(engine) as late:
        make_keyword(late, late.merge(sector), text="late")
        late.flush()
        if engine.dialect.name == "sqlite":
            late.commit()
        else:
            monkeypatch.setattr(settled_ids, "LONGEST_WAIT_SECONDS", 0.0)
            with pytest.raises(Busy):
                KEYWORDS.page(session, Scope(account.id), {}, ordering="created_at")
            assert KEYWORDS.page(session, Scope(account.id), {}, ordering="-created_at").rows == []
            late.commit()
    session.rollback()
    assert len(KEYWORDS.page(session, Scope(account.id), {}, ordering="created_at").rows) == 1
