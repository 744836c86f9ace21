"""Missed times after an outage, and overlapping runs: each verdict is a row."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.runs.lease import claim_run
from app.business.automation.services.runs.waiting import wake_previous
from app.business.automation.services.triggering import planning
from tests.business.automation.machine import Machine
from tests.factories import make_site

HOURLY = {"cron": "0 * * * *", "timezone": "UTC"}
MINUTELY = {"cron": "*/5 * * * *", "timezone": "UTC"}


def hourly(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    common = {"trigger": "schedule", "record_type": None, "schedule": HOURLY, "max_executions_per_day": 1000}
    return machine.make_rule(account, **common | values)


def be_offline(machine: Machine, *, hours: float) -> None:
    machine.pass_time(hours=hours)
    planning.plan(machine.transaction, machine.now)


def times(runs: list[ScheduledTask]) -> list[str]:
    return [f"{run.scheduled_at:%d %H:%M}" for run in runs]


def test_the_latest_missed_time_is_made_up_for(machine: Machine, account: Account) -> None:
    hourly(machine, account)
    be_offline(machine, hours=3.5)
    machine.settle()
    assert times(machine.runs(Status.COMPLETED)) == ["24 12:00"]
    skipped = machine.runs(Status.SKIPPED)
    assert (times(skipped), {run.reason for run in skipped}) == (["24 10:00", "24 11:00"], {Reason.MISSED})
    assert skipped[0].error_message == (
        "We were offline at this time. Replaced by the run planned for 24 Nov 12:00 (UTC)."
    )
    assert machine.breaches() == []


def test_a_missed_time_too_long_ago_is_not_made_up_for(machine: Machine, account: Account) -> None:
    hourly(machine, account, schedule={"cron": "0 10 * * *", "timezone": "UTC"}, catch_up_hours=2)
    be_offline(machine, hours=4)
    machine.settle()
    (skipped,) = machine.runs()
    assert skipped.error_message == (
        "We were offline at this time. That is more than 2 h ago, too long to make up for."
    )


def test_none_catches_up_on_nothing(machine: Machine, account: Account) -> None:
    hourly(machine, account, catch_up="none")
    be_offline(machine, hours=2.5)
    assert times(machine.runs()) == ["24 10:00", "24 11:00"]
    assert {run.error_message for run in machine.runs(Status.SKIPPED)} == {
        "We were offline at this time. This rule does not make up for missed times."
    }


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
def test_all_missed_times_follow_one_another_and_none_is_skipped(
    machine: Machine, session: Session, account: Account, overlap: str
) -> None:
    hourly(machine, account, catch_up="all", overlap=overlap)
    be_offline(machine, hours=3.5)
    first, second, third = machine.runs()
    assert claim_run(session, first.id, "busy", machine.now)
    session.commit()
    machine.settle()
    assert [run.waiting_for for run in machine.runs()] == [None, Waiting.PREVIOUS, Waiting.PREVIOUS]
    end(machine, first)
    machine.settle()
    assert [run.status for run in machine.runs()[1:]] == [Status.COMPLETED] * 2
    assert second.attempt == third.attempt == 1
    assert machine.breaches() == []


def test_many_old_missed_times_share_a_row(machine: Machine, session: Session, account: Account) -> None:
    hourly(machine, account, schedule=MINUTELY)
    be_offline(machine, hours=20)
    machine.settle()
    (folded,) = [run for run in machine.runs(Status.SKIPPED) if run.count]
    single = [run for run in machine.runs(Status.SKIPPED) if run.scheduled_at > folded.scheduled_at]
    assert (folded.count, f"{folded.first_at:%d %H:%M}", len(single)) == (136, "24 09:20", 100)
    assert folded.error_message.startswith("We were offline for 136 planned times. Replaced by the run")
    assert (machine.breaches(), unaccounted(session, account.id, machine.now)) == ([], 0)


def test_all_catches_up_on_a_hundred_at_most(machine: Machine, account: Account) -> None:
    hourly(machine, account, schedule=MINUTELY, catch_up="all")
    be_offline(machine, hours=9)
    assert (
        len(machine.runs(Status.PENDING)) == 3 + 100 + 4
    )  # planned before the outage; made up for; at this moment and soon
    assert machine.runs(Status.SKIPPED)[0].error_message.endswith(
        "Of the missed times the latest 100 are made up for; this one is older."
    )


def test_runs_planned_before_the_outage_are_missed_as_well(machine: Machine, account: Account) -> None:
    hourly(machine, account, schedule=MINUTELY)
    be_offline(machine, hours=1)
    machine.settle()
    planned = machine.runs()[:3]
    assert [f"{run.scheduled_at:%H:%M} {run.reason}" for run in planned] == [
        "09:05 missed", "09:10 missed", "09:15 missed",
    ]  # fmt: skip
    assert planned[0].error_message == (
        "It could not start at its time, 24 Nov 09:05 (UTC). Replaced by the run planned for 24 Nov 10:00 (UTC)."
    )
    assert times(machine.runs(Status.COMPLETED)) == ["24 10:00"]


@pytest.mark.parametrize("catch_up", ["latest", "none"])
@pytest.mark.parametrize("overlap", ["skip", "allow"])
@pytest.mark.parametrize("minutes", [14, 190])
@pytest.mark.parametrize("plans_first", [True, False])
def test_after_an_absence_of_any_length_at_most_one_time_runs(
    machine: Machine, account: Account, catch_up: str, overlap: str, minutes: int, plans_first: bool
) -> None:
    hourly(machine, account, schedule=MINUTELY, catch_up=catch_up, overlap=overlap)
    machine.pass_time(minutes=minutes, seconds=30)
    if plans_first:
        planning.plan(machine.transaction, machine.now)
    machine.settle()
    planning.plan(machine.transaction, machine.now)
    machine.settle()
    done = machine.runs(Status.COMPLETED)
    assert len(done) <= 1
    if catch_up == "latest":
        latest = machine.now.replace(second=0, microsecond=0) - timedelta(minutes=machine.now.minute % 5)
        assert [run.scheduled_at for run in done] == [latest]
    assert {run.reason for run in machine.runs(Status.SKIPPED)} <= {Reason.MISSED}
    assert machine.breaches() == []


def test_each_site_of_a_split_rule_catches_up_on_one_time(
    machine: Machine, session: Session, account: Account
) -> None:
    sites = [make_site(session, account, timezone=zone) for zone in ("Europe/Berlin", "Asia/Kolkata")]
    hourly(machine, account, schedule={"cron": "*/5 * * * *"}, split_by="site")
    machine.pass_time(minutes=14)
    machine.settle()
    done = [(run.split_site_id, f"{run.scheduled_at:%H:%M}") for run in machine.runs(Status.COMPLETED)]
    assert sorted(done) == [(site.id, "09:10") for site in sites]


def test_under_all_every_missed_time_still_runs(machine: Machine, account: Account) -> None:
    hourly(machine, account, schedule=MINUTELY, catch_up="all", overlap="allow")
    machine.pass_time(minutes=14)
    machine.settle()
    assert times(machine.runs(Status.COMPLETED)) == ["24 09:05", "24 09:10"]


@pytest.mark.parametrize(("catch_up", "hours"), [("none", 1), ("latest", 13)])
def test_a_single_planned_run_that_is_far_too_late_does_not_start(
    machine: Machine, account: Account, catch_up: str, hours: int
) -> None:
    hourly(machine, account, schedule={"cron": "5 9 * * *", "timezone": "UTC"}, catch_up=catch_up)
    be_offline(machine, hours=hours)
    machine.settle()
    assert machine.runs()[0].reason == Reason.MISSED


def test_a_run_is_skipped_while_the_previous_one_is_running(
    machine: Machine, session: Session, account: Account
) -> None:
    busy, late = _two_due(machine, session, account, overlap="skip")
    machine.settle()
    session.refresh(late)
    assert (late.status, late.reason) == (Status.SKIPPED, Reason.OVERLAP)
    assert late.error_message == "The run planned for 24 Nov 10:00 (UTC) is still going on."
    session.refresh(busy)
    assert busy.status == Status.RUNNING


def test_one_run_queues_and_a_newer_one_takes_its_place(
    machine: Machine, session: Session, account: Account
) -> None:
    busy, late = _two_due(machine, session, account, overlap="queue")
    machine.settle()
    session.refresh(late)
    assert (late.status, late.waiting_for) == (Status.PENDING, Waiting.PREVIOUS)
    _next_hour(machine, busy)
    session.refresh(late)
    newer = machine.runs()[2]
    assert (late.status, late.reason) == (Status.SKIPPED, Reason.SUPERSEDED)
    assert late.error_message.startswith("Replaced by the run planned for 24 Nov 12:00 (UTC)")
    assert newer.waiting_for == Waiting.PREVIOUS
    end(machine, busy)
    machine.settle()
    session.refresh(newer)
    assert newer.status == Status.COMPLETED
    assert machine.breaches() == []


def test_runs_are_concurrent_where_the_rule_allows_it(
    machine: Machine, session: Session, account: Account
) -> None:
    _, late = _two_due(machine, session, account, overlap="allow")
    machine.settle()
    session.refresh(late)
    assert late.status == Status.COMPLETED


def test_a_lost_wake_up_is_recovered_by_the_next_sweep(
    machine: Machine, session: Session, account: Account
) -> None:
    busy, late = _two_due(machine, session, account, overlap="queue")
    machine.settle()
    busy.status, busy.finished_at = Status.COMPLETED, machine.now
    session.commit()
    machine.settle()
    session.refresh(late)
    assert late.status == Status.COMPLETED


def _two_due(
    machine: Machine, session: Session, account: Account, overlap: str
) -> tuple[ScheduledTask, ScheduledTask]:
    """A run of 10:00 that is still worked on at 11:00, and the one of 11:00."""
    hourly(machine, account, overlap=overlap)
    machine.pass_time(hours=1)
    planning.plan(machine.transaction, machine.now)
    (busy,) = machine.runs()
    assert claim_run(session, busy.id, "busy", machine.now)
    session.commit()
    _next_hour(machine, busy, execute=False)
    return busy, machine.runs()[1]


def _next_hour(machine: Machine, busy: ScheduledTask, *, execute: bool = True) -> None:
    machine.pass_time(hours=1)
    planning.plan(machine.transaction, machine.now)
    if execute:
        machine.settle()


def end(machine: Machine, run: ScheduledTask) -> None:
    """The worker that was busy with `run` ends it."""
    with machine.transaction() as session:
        session.refresh(run)
        run.status, run.finished_at, run.lease_token = Status.COMPLETED, machine.now, None
        wake_previous(session, run)
