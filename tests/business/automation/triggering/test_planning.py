"""Planned times of rules that are split by site, changed, paused or resumed: what is due, and what is withdrawn."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.sentence import when_of
from app.business.automation.services.rules.versions import definition_of, read_definition
from app.business.automation.services.runs import commands
from app.business.automation.services.triggering import planning
from app.business.planner.models import Site
from app.business.planner.services.site_service import update_site
from tests.business.automation.machine import Machine
from tests.factories import make_site

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
EVERY_QUARTER = {"cron": "*/15 * * * *", "timezone": "UTC"}
NINE = {"cron": "0 9 * * *"}


def make_planned(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    return machine.make_rule(
        account, **{"trigger": "schedule", "record_type": None, "schedule": EVERY_QUARTER} | values
    )


def change(machine: Machine, rule: AutomationRule, **values: Any) -> None:
    AutomationService().update_rule(
        machine.session, rule, definition_of(rule) | values, Actor(None), machine.now
    )
    machine.session.commit()


def planned(machine: Machine) -> list[str]:
    return [f"{run.scheduled_at:%H:%M}" for run in machine.runs(Status.PENDING)]


def live(machine: Machine, *, hours: int) -> None:
    """Let time pass with everything working."""
    for _ in range(hours * 4):
        machine.pass_time(minutes=15)
        planning.plan(machine.transaction, machine.now)
        machine.settle()


@pytest.fixture
def three_sites(session: Session, account: Account) -> dict[str, Site]:
    zones = {"Tokyo": "Asia/Tokyo", "New York": "America/New_York", "own": None}
    account.timezone = "Europe/Berlin"
    sites = {name: make_site(session, account, name=name, timezone=zone) for name, zone in zones.items()}
    session.commit()
    return sites


def starts_at(runs: list[ScheduledTask], site: Site) -> list[str]:
    return [f"{run.scheduled_at:%d %H:%M}" for run in runs if run.split_site_id == site.id == run.site_id]


def test_each_site_is_due_in_its_own_zone(
    machine: Machine, account: Account, three_sites: dict[str, Site]
) -> None:
    rule = make_planned(machine, account, schedule=NINE, split_by="site")
    assert when_of(read_definition(rule)) == "Every day at 09:00 in each site's own time"
    assert rule.unplanned_from == datetime(2026, 11, 24, 14, tzinfo=UTC)
    live(machine, hours=24)
    runs = machine.runs(Status.COMPLETED)
    assert starts_at(runs, three_sites["New York"]) == ["24 14:00"]
    assert starts_at(runs, three_sites["Tokyo"]) == ["25 00:00"]
    assert starts_at(runs, three_sites["own"]) == ["25 08:00"]
    assert (machine.breaches(), unaccounted(machine.session, account.id, machine.now)) == ([], 0)


def test_a_zone_that_the_rule_names_holds_on_every_site(
    machine: Machine, account: Account, three_sites: dict[str, Site]
) -> None:
    make_planned(machine, account, schedule=NINE | {"timezone": "UTC"}, split_by="site")
    live(machine, hours=24)
    assert {run.scheduled_at.hour for run in machine.runs(Status.COMPLETED)} == {9}
    assert len(machine.runs(Status.COMPLETED)) == 3


def test_another_zone_of_a_site_counts_from_the_next_sweep_on(
    machine: Machine, session: Session, account: Account, three_sites: dict[str, Site]
) -> None:
    make_planned(machine, account, schedule=NINE, split_by="site")
    update_site(session, three_sites["New York"], {"timezone": "America/Chicago"}, now=machine.now)
    session.commit()
    live(machine, hours=12)
    assert starts_at(machine.runs(Status.COMPLETED), three_sites["New York"]) == ["24 15:00"]
    assert machine.breaches() == []


def test_sites_that_are_paused_owe_nothing_and_new_ones_join(
    machine: Machine, session: Session, account: Account, three_sites: dict[str, Site]
) -> None:
    make_planned(machine, account, schedule={"cron": "*/15 * * * *"}, split_by="site")
    paused = three_sites["Tokyo"]
    update_site(session, paused, {"status": "paused"}, now=machine.now)
    new = make_site(session, account, timezone="Asia/Kathmandu")
    session.commit()
    planning.plan(machine.transaction, machine.now)
    live(machine, hours=1)
    update_site(session, paused, {"status": "active"}, now=machine.now)
    session.commit()
    live(machine, hours=1)
    runs = machine.runs(Status.COMPLETED)
    assert starts_at(runs, paused) == ["24 10:30", "24 10:45", "24 11:00"]
    assert len(starts_at(runs, new)) == 8
    assert (machine.breaches(), unaccounted(session, account.id, machine.now)) == ([], 0)


def test_an_edit_withdraws_what_was_only_planned(machine: Machine, account: Account) -> None:
    rule = make_planned(machine, account)
    assert planned(machine) == ["09:15"]
    change(machine, rule, schedule={"cron": "10 * * * *", "timezone": "UTC"})
    assert [(at, run.rule_version) for at, run in zip(planned(machine), machine.runs(), strict=True)] == [
        ("09:10", 2)
    ]


@pytest.mark.parametrize("end", ["disable", "archive"])
def test_a_rule_switched_off_or_archived_has_nothing_planned(
    machine: Machine, account: Account, end: str
) -> None:
    rule = make_planned(machine, account)
    getattr(AutomationService(), end)(machine.session, rule, Actor(None), machine.now)
    machine.session.commit()
    live(machine, hours=1)
    assert (machine.runs(), rule.unplanned_from, machine.breaches()) == ([], None, [])


def test_nothing_is_due_while_everything_is_paused(
    machine: Machine, session: Session, account: Account
) -> None:
    rule = make_planned(machine, account)
    account.paused_at = machine.now
    planning.replan_account(session, account.id, machine.now)
    session.commit()
    assert (planned(machine), rule.unplanned_from) == ([], None)
    live(machine, hours=3)
    change(machine, rule, name="Changed meanwhile")
    account.paused_at = None
    planning.replan_account(session, account.id, machine.now)
    session.commit()
    live(machine, hours=1)
    assert [f"{run.scheduled_at:%H:%M}" for run in machine.runs(Status.COMPLETED)] == [
        "12:15", "12:30", "12:45", "13:00",
    ]  # fmt: skip
    assert (machine.breaches(), unaccounted(session, account.id, machine.now)) == ([], 0)


def test_an_unannounced_pause_is_noticed(machine: Machine, session: Session, account: Account) -> None:
    rule = make_planned(machine, account)
    account.paused_at = machine.now
    session.commit()
    planning.plan(machine.transaction, machine.now)
    assert (planned(machine), rule.unplanned_from) == ([], None)


def test_a_schedule_paused_until_a_day_starts_then(machine: Machine, account: Account) -> None:
    until = (machine.now + timedelta(hours=2)).isoformat()
    make_planned(machine, account, schedule=EVERY_QUARTER | {"paused_until": until})
    live(machine, hours=2)
    assert [f"{run.scheduled_at:%H:%M}" for run in machine.runs(Status.COMPLETED)] == ["11:00"]
    assert machine.breaches() == []


def test_an_edit_after_an_outage_leaves_no_time_without_a_row(machine: Machine, account: Account) -> None:
    rule = make_planned(machine, account)
    machine.pass_time(hours=1)
    change(machine, rule, name="Changed before anything was planned")
    missed = [run for run in machine.runs(Status.SKIPPED) if run.reason == Reason.MISSED]
    assert [f"{run.scheduled_at:%H:%M} v{run.rule_version}" for run in missed] == [
        "09:30 v1", "09:45 v1", "10:00 v1",
    ]  # fmt: skip
    assert missed[0].error_message.startswith("We were offline at this time. The rule was changed")
    machine.settle()
    assert machine.breaches() == []


def test_a_planned_run_that_was_cancelled_stays_cancelled_after_an_edit(
    machine: Machine, session: Session, account: Account
) -> None:
    rule = make_planned(machine, account)
    commands.cancel(session, machine.runs()[0], machine.now)
    change(machine, rule, name="Another name")
    live(machine, hours=1)
    assert [run.reason for run in machine.runs(Status.SKIPPED)] == [Reason.CANCELLED]
    assert [f"{run.scheduled_at:%H:%M}" for run in machine.runs(Status.COMPLETED)] == [
        "09:30",
        "09:45",
        "10:00",
    ]
