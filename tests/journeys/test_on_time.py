"""Rules start in their second, even when the queue was emptied meanwhile: real scheduler, real workers."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq_scheduler import Scheduler
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.infrastructure.database import only_reading
from tests.factories import make_account, make_sector, make_site, make_task
from tests.journeys.workers import working
from tests.processes import eventually

NOTIFY = [{"type": "notify", "params": {"message": "Hi"}}]


@pytest.fixture
def processes(
    app: Flask, valkey: Redis, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[None]:
    with working(fork_server, app.extensions["settings"], valkey, tmp_path):
        yield


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session, granted_at=datetime.now(UTC))


def due_in(session: Session, account: Account, seconds: float, **values: Any) -> datetime:
    """A rule that shall run once, so many seconds from now."""
    now = datetime.now(UTC)
    due_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    defaults = {
        "name": "Once",
        "trigger": "schedule",
        "schedule": {"at": due_at.isoformat()},
        "actions": NOTIFY,
    }
    AutomationService().create_rule(session, account, defaults | values, Actor(None), now)
    session.commit()
    return due_at


def finished_run(session: Session) -> ScheduledTask | None:
    session.rollback()
    # A test that asks again and again must not keep the workers from writing.
    with only_reading():
        run = session.scalars(select(ScheduledTask).execution_options(populate_existing=True)).one()
    return run if run.status in (Status.COMPLETED, Status.FAILED) else None


@pytest.mark.usefixtures("processes")
def test_a_rule_starts_in_its_second(session: Session, account: Account) -> None:
    due_at = due_in(session, account, 4)
    run = eventually(lambda: finished_run(session))
    assert run.status == Status.COMPLETED
    assert run.started_at
    # A quarter of a second on a quiet machine; tests run on busy ones. A lost alarm would cost a sweep, 15 seconds.
    assert timedelta(0) <= run.started_at - due_at < timedelta(seconds=10)


@pytest.mark.usefixtures("processes")
def test_a_run_whose_alarm_was_lost_is_found_by_the_sweep(
    session: Session, account: Account, valkey: Redis
) -> None:
    due_in(session, account, 3)
    valkey.flushall()
    eventually(lambda: valkey.zcard(Scheduler.scheduled_jobs_key) >= 3)
    assert eventually(lambda: finished_run(session), within=60).status == Status.COMPLETED


@pytest.mark.usefixtures("processes")
def test_work_with_outside_calls_is_done_by_a_step_worker(session: Session, account: Account) -> None:
    sector = make_sector(session, make_site(session, account))
    task = make_task(session, sector)
    actions = [{"type": "generate_content", "params": {"task_ids": [task.id]}}]
    due_in(session, account, 2, actions=actions, record_type="task")
    run = eventually(lambda: finished_run(session), within=60)
    assert (run.status, run.queue) == (Status.COMPLETED, "long"), run.error_message
