"""The sweep recovers first and reports later: what became due while no sweep ran is not reported as broken."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.total_models import RunChange, RunDay
from app.business.billing.models import CreditDay
from app.infrastructure.messaging import audits, automation_tasks, heartbeats
from tests.factories import make_account

OFF = timedelta(hours=1)
SWEEPS = timedelta(seconds=15)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock of the sweep."""
    return lambda now: monkeypatch.setattr(automation_tasks, "utc_now", lambda: now)


@pytest.fixture
def back_at(session: Session, at: Callable[[datetime], None]) -> datetime:
    """A run was planned, swept for, and came due while everything was off; now everything is on again."""
    due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    rule = {"name": "Once", "trigger": "schedule", "schedule": {"at": due_at.isoformat()}}
    notify = {"actions": [{"type": "notify", "params": {"message": "Hi"}}]}
    account = make_account(session)
    AutomationService().create_rule(session, account, rule | notify, Actor(None), due_at - SWEEPS)
    session.commit()
    at(due_at - SWEEPS)
    automation_tasks.sweep()
    return due_at + OFF


def sweep_until(at: Callable[[datetime], None], start: datetime, end: datetime) -> None:
    now = start
    while now <= end:
        at(now)
        automation_tasks.sweep()
        now += SWEEPS


def forget_what_runs_out(valkey: Redis) -> None:
    """The server's own clock does not run ahead with ours."""
    valkey.delete(heartbeats.SWEEPING_KEY)


def notices(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Notice)) or 0


def audited(valkey: Redis) -> heartbeats.Audited | None:
    """What step workers find, if an audit has begun."""
    while valkey.exists(audits.PLACE_KEY):
        automation_tasks.drain(LONG_QUEUE)
    return heartbeats.last_audit(valkey)


def test_a_run_that_came_due_while_everything_was_off_is_not_reported(
    session: Session, valkey: Redis, back_at: datetime, at: Callable[[datetime], None]
) -> None:
    forget_what_runs_out(valkey)
    sweep_until(at, back_at, back_at + timedelta(seconds=45))
    assert (audited(valkey), notices(session)) == (None, 0)
    run = session.scalars(select(ScheduledTask)).one()
    run.status, run.finished_at = Status.COMPLETED, back_at
    session.commit()
    sweep_until(at, back_at + timedelta(minutes=1), back_at + timedelta(minutes=3))
    found = audited(valkey)
    assert found
    assert (found.broken, notices(session)) == ((), 0)


def test_one_that_does_not_start_within_two_minutes_is_reported(
    session: Session, valkey: Redis, back_at: datetime, at: Callable[[datetime], None]
) -> None:
    forget_what_runs_out(valkey)
    sweep_until(at, back_at, back_at + timedelta(minutes=2))
    assert heartbeats.last_audit(valkey) is None, "the sweep itself has audited"
    found = audited(valkey)
    assert found
    assert found.broken == ("A run that is due and waits for nothing starts within two minutes.",)
    assert notices(session) == 2


def test_a_pause_between_sweeps_begins_the_wait_anew(valkey: Redis) -> None:
    began = datetime.now(UTC)
    assert heartbeats.note_sweep(valkey, began) == began
    assert heartbeats.note_sweep(valkey, began + SWEEPS) == began
    assert 0 < valkey.ttl(heartbeats.SWEEPING_KEY) <= heartbeats.UNBROKEN_SECONDS
    forget_what_runs_out(valkey)
    assert heartbeats.note_sweep(valkey, began + OFF) == began + OFF


def test_the_sweep_keeps_the_daily_sums(
    session: Session, valkey: Redis, back_at: datetime, at: Callable[[datetime], None]
) -> None:
    forget_what_runs_out(valkey)
    run = session.scalars(select(ScheduledTask)).one()
    run.status, run.finished_at = Status.COMPLETED, back_at
    session.commit()
    assert session.scalar(select(func.count()).select_from(RunChange)) == 1
    sweep_until(at, back_at, back_at + timedelta(minutes=3))
    session.rollback()
    assert session.scalar(select(func.count()).select_from(RunChange)) == 0
    assert session.scalar(select(func.sum(RunDay.runs))) == 1
    assert session.scalar(select(func.sum(CreditDay.amount))) == session.scalar(
        select(func.sum(Account.credits_balance))
    )
