"""What a run costs the database, and that the looks of the engine stay small however many runs there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session, object_session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import waiting
from app.business.automation.services.triggering import dispatch
from app.business.events import EventBatch, EventType
from app.business.planner.models import Sector
from app.infrastructure.database import db, engine_options
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.factories import NOW, make_account, make_keyword, make_sector, make_site

TRANSACTION_WORDS = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")
MOST_STATEMENTS = 25


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(TRANSACTION_WORDS):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def sector(session: Session) -> Sector:
    return make_sector(session, make_site(session, make_account(session)))


def owner_of(sector: Sector) -> Account:
    owner = object_session(sector)
    assert owner
    return owner.get_one(Account, sector.account_id)


def open_runs(machine: Machine, sector: Sector, count: int, **values: object) -> AutomationRule:
    """So many runs of one rule that events have started, each over one keyword."""
    account = owner_of(sector)
    rule = machine.make_rule(account, actions=[LABEL], batching="each", **values)
    for number in range(count):
        machine.session.add(
            ScheduledTask(
                account_id=account.id, automation_rule_id=rule.id, rule_name=rule.name, rule_version=1,
                cause="event", queue="events", scheduled_at=machine.now, batch_id=number + 1, part=1,
                record_type="keyword", record_count=1,
            )
        )  # fmt: skip
    machine.session.flush()
    return rule


def test_a_free_run_takes_few_statements_and_two_transactions(session: Session, sector: Sector) -> None:
    machine = Machine(session)
    condition = {"field": "text", "operator": "is_not_empty"}
    rule = machine.make_rule(owner_of(sector), actions=[LABEL], conditions={"all": [condition]})
    keyword = make_keyword(session, sector)
    machine.run_now(rule, record_ids=[make_keyword(session, sector).id])
    begins: list[object] = []
    note = begins.append
    run = waiting_run(machine, rule, keyword.id)
    event.listen(db.engine, "begin", note)
    with statements() as seen:
        assert machine.engine.execute(run.id)
    event.remove(db.engine, "begin", note)
    session.refresh(run)
    assert run.status == Status.COMPLETED
    assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
    assert len(begins) == 2


def waiting_run(machine: Machine, rule: AutomationRule, record_id: int) -> ScheduledTask:
    run = AutomationService().execute(machine.session, rule, Actor(None), machine.now, record_ids=[record_id])
    machine.session.commit()
    return run


def test_a_new_day_wakes_what_its_limit_lets_through(session: Session, sector: Sector) -> None:
    machine = Machine(session)
    rule = open_runs(machine, sector, 9, max_executions_per_day=2)
    sleeping = update(ScheduledTask).values(
        waiting_for=Waiting.DAY, waiting_since=NOW, not_before=NOW, reason=Reason.DAILY_LIMIT
    )
    session.execute(sleeping)
    session.add(RuleDay(account_id=rule.account_id, rule_id=rule.id, local_day=NOW.date(), used=1))
    woken = [waiting.wake_what_is_due(session, NOW + timedelta(seconds=15 * look)) for look in range(3)]
    assert woken == [1, 0, 0]
    tomorrow = NOW + timedelta(days=1)
    session.execute(
        update(ScheduledTask).where(ScheduledTask.waiting_for.is_(None)).values(status="completed")
    )
    assert waiting.wake_what_is_due(session, tomorrow) == 2
    oldest = select(ScheduledTask.id).where(ScheduledTask.waiting_for.is_not(None))
    assert min(session.scalars(oldest)) > max(
        session.scalars(select(ScheduledTask.id).where(ScheduledTask.waiting_for.is_(None)))
    )


def test_each_day_does_as_many_as_its_limit_until_none_waits(session: Session, sector: Sector) -> None:
    machine = Machine(session)
    rule = machine.make_rule(owner_of(sector), actions=[LABEL], max_executions_per_day=3, when_limited="wait")
    runs = [waiting_run(machine, rule, make_keyword(session, sector).id) for _ in range(8)]
    for _day in range(3):
        machine.settle()
        machine.pass_time(days=1)
    used = dict(session.execute(select(RuleDay.local_day, RuleDay.used)).all())
    days = [date(2026, 11, 24) + timedelta(days=number) for number in range(3)]
    assert used == dict(zip(days, (3, 3, 2), strict=True))
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert len(machine.runs()) == len(runs)
    assert machine.breaches() == []


def test_postgresql_plans_each_statement_for_its_values() -> None:
    assert engine_options("postgresql+psycopg://x")["connect_args"]["prepare_threshold"] is None


def test_batches_of_one_instant_are_all_dispatched(session: Session, sector: Sector) -> None:
    machine = Machine(session)
    machine.make_rule(owner_of(sector), actions=[LABEL])
    for _ in range(5):
        session.add(
            EventBatch(
                account_id=sector.account_id, type=EventType.KEYWORD_ADDED, created_at=NOW, closed_at=NOW
            )
        )
    session.commit()
    assert dispatch.dispatch_batches(machine.transaction, machine.now, most=2).batches == 5
    left = session.scalar(select(func.count(EventBatch.id)).where(EventBatch.dispatched_at.is_(None)))
    assert left == 0
