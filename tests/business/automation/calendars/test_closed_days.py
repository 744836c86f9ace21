"""Planned times on closed days: one row each, skipped with the reason, moved, or run all the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering import planning
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.errors import Invalid, Stale
from app.business.planner.models import Site
from tests.business.automation.machine import Machine
from tests.factories import make_site

WORKDAYS = [{"weekday": day} for day in range(1, 6)]
CHRISTMAS = {"name": "Christmas Day", "starts_on": "2026-12-25", "ends_on": "2026-12-25"}
NINE = {"cron": "0 9 * * *", "timezone": "UTC"}


@pytest.fixture
def site(session: Session, account: Account) -> Site:
    return make_site(session, account, name="Example Shop")


def planned(machine: Machine, account: Account, site: Site | None, **values: Any) -> AutomationRule:
    common = {"trigger": "schedule", "record_type": None, "schedule": NINE, "site": site.id if site else None}
    return machine.make_rule(account, **common | {"max_executions_per_day": 1000} | values)


def close(machine: Machine, account: Account, site: Site | None, **data: Any) -> None:
    with machine.transaction() as session:
        save_calendar(session, account, site, data, actor=AuditActor(), now=machine.now)


def go_to(machine: Machine, text: str) -> None:
    """Let time pass as it does: times are planned ahead, and runs start when they are due."""
    until = datetime.fromisoformat(text).replace(tzinfo=UTC)
    while machine.now < until:
        planning.plan(machine.transaction, machine.now)
        machine.settle()
        firsts = machine.session.scalars(select(AutomationRule.unplanned_from)).all()
        ahead = [first - planning.WINDOW / 2 for first in firsts if first]
        ahead += [run.begins_at for run in machine.runs(Status.PENDING)]
        machine.now = min([at for at in ahead if at > machine.now], default=until)
        machine.now = min(machine.now, until)
    planning.plan(machine.transaction, machine.now)
    machine.settle()


def begin(machine: Machine, text: str) -> None:
    machine.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def said(runs: list[ScheduledTask]) -> list[tuple[str, str, str | None]]:
    return [
        (
            f"{run.scheduled_at:%d %H:%M}",
            str(run.status),
            f"{run.moved_to_at:%d %H:%M}" if run.moved_to_at else None,
        )
        for run in sorted(runs, key=lambda run: run.scheduled_at)
    ]


def check(machine: Machine, account: Account) -> None:
    assert unaccounted(machine.session, account.id, machine.now) == 0
    # Nothing grants the credits of December here.
    assert [breach for breach in machine.breaches() if not breach.startswith("grants")] == []


def test_a_time_on_a_closed_day_is_skipped_and_says_which_day(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-12-24 08:00")
    close(machine, account, site, pauses=[CHRISTMAS])
    planned(machine, account, site)
    go_to(machine, "2026-12-26 10:00")
    assert said(machine.runs()) == [
        ("24 09:00", "completed", None), ("25 09:00", "skipped", None), ("26 09:00", "completed", None)
    ]  # fmt: skip
    (skipped,) = machine.runs(Status.SKIPPED)
    assert (skipped.reason, skipped.error_message) == (
        Reason.CLOSED_DAY,
        "The site is closed on Friday 25 December 2026 (Christmas Day), by the calendar of Example Shop.",
    )
    check(machine, account)


def test_a_moved_time_runs_on_the_next_open_day_and_keeps_its_planned_time(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-12-24 08:00")
    close(machine, account, site, working_hours=WORKDAYS, pauses=[CHRISTMAS])
    fridays = {"cron": "0 9 * * 5", "timezone": "UTC"}
    planned(machine, account, site, schedule=fridays, on_closed_days="move")
    go_to(machine, "2026-12-28 08:59")
    assert said(machine.runs()) == [("25 09:00", "pending", "28 09:00")]
    go_to(machine, "2026-12-28 09:00")
    (run,) = machine.runs()
    assert (run.status, run.started_at) == (Status.COMPLETED, machine.now)
    machine.session.refresh(run, ["detail"])
    assert run.detail.options["moved"] == (
        "The site is closed on Friday 25 December 2026 (Christmas Day), by the calendar of Example Shop, "
        "so it was moved to Monday 28 December 2026 at 09:00 (UTC)."
    )
    check(machine, account)


def test_times_that_fall_on_one_moment_start_one_run_and_each_has_its_row(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-28 08:00")
    close(machine, account, site, working_hours=WORKDAYS)
    weekend = {"cron": "0 9 * * 6,0", "timezone": "UTC"}
    planned(machine, account, site, schedule=weekend, on_closed_days="move")
    planned(machine, account, site, on_closed_days="move", name="Daily")
    go_to(machine, "2026-11-30 10:00")
    weekend_runs = [run for run in machine.runs() if run.rule_name == "A rule"]
    assert said(weekend_runs) == [("28 09:00", "skipped", None), ("29 09:00", "completed", "30 09:00")]
    assert weekend_runs[0].error_message.endswith(
        "; the run planned for Sunday 29 November 2026 at 09:00 (UTC), moved to Monday 30 November 2026 at 09:00 "
        "(UTC), takes its place."
    )
    daily = [run for run in machine.runs() if run.rule_name == "Daily"]
    assert said(daily) == [
        ("28 09:00", "skipped", None), ("29 09:00", "skipped", None), ("30 09:00", "completed", None)
    ]  # fmt: skip
    check(machine, account)


def test_outside_the_working_hours_a_time_moves_to_their_beginning(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-27 08:00")
    office = [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(1, 6)]
    close(machine, account, site, working_hours=office)
    early = {"cron": "30 7,20 * * *", "timezone": "UTC"}
    planned(machine, account, site, schedule=early, on_closed_days="move")
    go_to(machine, "2026-11-30 10:00")
    assert [one for one in said(machine.runs()) if one[1] == "completed"] == [
        ("30 07:30", "completed", "30 09:00")
    ]
    first = min(machine.runs(), key=lambda run: run.scheduled_at)
    assert first.error_message.startswith(
        "The site is closed at 20:30 on Friday 27 November 2026 (open from 09:00 to 17:00), by the calendar of"
    )
    check(machine, account)


def test_run_runs_all_the_same(machine: Machine, account: Account, site: Site) -> None:
    begin(machine, "2026-11-28 08:00")
    close(machine, account, site, working_hours=WORKDAYS)
    planned(machine, account, site, on_closed_days="run")
    go_to(machine, "2026-11-28 10:00")
    assert said(machine.runs()) == [("28 09:00", "completed", None)]


@pytest.mark.parametrize(
    ("own", "of_site", "expected"),
    [
        (True, True, "skipped"),
        (False, True, "skipped"),
        (True, False, "completed"),
        (False, False, "skipped"),
    ],
)
def test_the_calendar_is_the_sites_own_else_the_accounts(
    machine: Machine, session: Session, account: Account, site: Site, own: bool, of_site: bool, expected: str
) -> None:
    """own: the closing calendar is the site's · of_site: the rule is the site's."""
    begin(machine, "2026-11-28 08:00")
    close(machine, account, site if own else None, working_hours=WORKDAYS)
    planned(machine, account, site if of_site else None)
    go_to(machine, "2026-11-28 10:00")
    assert said(machine.runs()) == [("28 09:00", expected, None)]


def test_a_split_rule_follows_the_calendar_of_each_site(
    machine: Machine, session: Session, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-28 08:00")
    other = make_site(session, account)
    close(machine, account, site, working_hours=WORKDAYS)
    planned(machine, account, None, split_by="site")
    go_to(machine, "2026-11-28 10:00")
    assert {run.site_id: str(run.status) for run in machine.runs()} == {
        site.id: "skipped",
        other.id: "completed",
    }


def test_the_sites_own_zone_decides_which_day_it_is(
    machine: Machine, session: Session, account: Account
) -> None:
    begin(machine, "2026-11-27 20:00")
    tokyo = make_site(session, account, timezone="Asia/Tokyo")
    close(machine, account, tokyo, working_hours=WORKDAYS)
    planned(machine, account, tokyo, schedule={"cron": "0 22 * * 5", "timezone": "UTC"})
    go_to(machine, "2026-11-27 22:15")
    (run,) = machine.runs()
    assert "Saturday 28 November 2026 (not a working day)" in run.error_message


def test_a_person_and_the_api_start_it_on_closed_days_too(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-28 08:00")
    close(machine, account, site, working_hours=WORKDAYS)
    assert machine.run_now(planned(machine, account, site)).status == Status.COMPLETED


def test_times_missed_on_closed_days_are_closed_and_replace_none(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-27 08:30")
    close(machine, account, site, working_hours=WORKDAYS)
    planned(machine, account, site, catch_up_hours=72)
    begin(machine, "2026-11-29 12:00")
    planning.plan(machine.transaction, machine.now)
    machine.settle()
    assert said(machine.runs()) == [
        ("27 09:00", "completed", None), ("28 09:00", "skipped", None), ("29 09:00", "skipped", None)
    ]  # fmt: skip
    assert {run.reason for run in machine.runs(Status.SKIPPED)} == {Reason.CLOSED_DAY}
    check(machine, account)


def test_many_closed_times_found_late_share_a_row(machine: Machine, account: Account, site: Site) -> None:
    begin(machine, "2026-11-28 00:00")
    close(machine, account, site, working_hours=WORKDAYS)
    planned(machine, account, site, schedule={"cron": "*/5 * * * *", "timezone": "UTC"})
    begin(machine, "2026-11-29 23:00")
    planning.plan(machine.transaction, machine.now)
    machine.settle()
    folded = [run for run in machine.runs() if run.count]
    assert [run.error_message for run in folded] == [
        f"The calendar was closed at {folded[0].count} planned times."
    ]
    check(machine, account)


@pytest.mark.both_databases
def test_a_change_of_the_calendar_holds_for_what_is_planned_and_not_begun(
    machine: Machine, account: Account, site: Site
) -> None:
    begin(machine, "2026-11-28 08:50")
    rule = planned(machine, account, site, on_closed_days="move")
    assert said(machine.runs()) == [("28 09:00", "pending", None)]
    close(
        machine,
        account,
        site,
        working_hours=WORKDAYS,
        pauses=[{"starts_on": "2026-11-30", "ends_on": "2026-12-04"}],
    )
    assert said(machine.runs()) == [("28 09:00", "pending", None)]
    assert machine.runs()[0].reason == Reason.CLOSED_DAY
    with machine.transaction() as session:
        changed = {"schedule": {"cron": "0 9 28 11 *", "timezone": "UTC"}}
        before = AutomationService().update_rule(
            session, rule, dict(definition_of(rule)) | changed, Actor(None), machine.now
        )
    assert before.version == 2
    assert said(machine.runs()) == [("28 09:00", "pending", "07 09:00")]
    begin(machine, "2026-11-29 12:00")
    close(machine, account, site, working_hours=WORKDAYS)
    assert said(machine.runs()) == [("28 09:00", "pending", "30 09:00")]
    with machine.transaction() as session:
        save_calendar(session, account, site, None, actor=AuditActor(), now=machine.now)
    assert said(machine.runs()) == [("28 09:00", "pending", "29 12:00")]
    machine.settle()
    assert said(machine.runs()) == [("28 09:00", "completed", "29 12:00")]
    check(machine, account)


def test_saving_over_a_version_that_has_changed_is_refused(
    machine: Machine, session: Session, account: Account, site: Site
) -> None:
    close(machine, account, site, working_hours=WORKDAYS)
    with pytest.raises(Stale):
        save_calendar(session, account, site, {}, seen=0, actor=AuditActor(), now=machine.now)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"working_hours": []}, "working_hours"),
        ({"working_hours": [{"weekday": 8}]}, "working_hours.0.weekday"),
        ({"working_hours": [{"weekday": 1}, {"weekday": 1}]}, "working_hours"),
        ({"working_hours": [{"weekday": 1, "opens": "9"}]}, "working_hours.0.opens"),
        ({"working_hours": [{"weekday": 1, "opens": "17:00", "closes": "09:00"}]}, "working_hours.0"),
        ({"pauses": [{"starts_on": "2026-12-25", "ends_on": "2026-12-24"}]}, "pauses.0"),
        ({"pauses": [{"starts_on": "soon", "ends_on": "2026-12-24"}]}, "pauses.0.starts_on"),
        ({"pauses": [{"starts_on": "2026-01-01", "ends_on": "2028-12-24"}]}, "pauses"),
        ({"country": "XX"}, "country"),
        ({"country": "DE", "region": "Texas"}, "region"),
        ({"region": "BY"}, "region"),
        ({"closed": True}, "closed"),
    ],
)
def test_what_is_no_calendar_is_refused_beside_its_field(
    machine: Machine, session: Session, account: Account, data: dict[str, Any], path: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        save_calendar(session, account, None, data, actor=AuditActor(), now=machine.now)
    assert list(refusal.value.errors) == [path]
