"""What is forecast of rules with calendars is what planning then does: which times run, on which days, at what cost."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.calendars.closed_times import ClosedRule
from app.business.automation.services.calendars.opening_times import OpeningTimes
from app.business.automation.services.calendars.working_calendar import parse_calendar
from app.business.automation.services.forecast import planned_days as sums_of_days
from app.business.automation.services.forecast.calendar_days import MOST_TIMES, calendar
from app.business.automation.services.forecast.due_days import parts_due, rest_of_day
from app.business.automation.services.forecast.outlook import look_ahead, with_rule
from app.business.automation.services.forecast.planned_days import planned_days
from app.business.automation.services.forecast.spend_history import days_from
from app.business.automation.services.forecast.streams import NEW
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.known_rules import RulesRead
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.schedules.calendar import due_instants, parse_schedule
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.planner.models import Site
from tests.business.automation.calendars.closed_walker import random_calendar
from tests.business.automation.calendars.test_closed_days import WORKDAYS, go_to
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.business.automation.machine import Machine
from tests.business.automation.schedules.test_schedules_walker import ZONES, accepted_line
from tests.factories import make_account, make_cluster, make_plan, make_sector, make_site
from tests.sampling import times

TINY, DAY = timedelta(microseconds=1), timedelta(days=1)
TRIES = times(full=300, sample=12)
WORLDS = times(full=range(60), sample=range(1, 2))
LINES = (
    "0 9 * * *",
    "30 20 * * *",
    "0 */3 * * *",
    "15 6 * * 1,6",
    "0 9,17 * * *",
    "45 23 * * 5",
    "0 2 1,15 * *",
)
CHOICES = ("skip", "move", "run")


def random_followed(dice: random.Random, start: datetime) -> tuple[Any, ClosedRule]:
    zone = dice.choice(ZONES)
    line = dice.choice([accepted_line(dice), *LINES])
    schedule = parse_schedule({"cron": line, "timezone": zone}, shortest_interval_minutes=None)
    opening = OpeningTimes(
        parse_calendar(random_calendar(dice, start, 10), start.date()),
        dice.choice([zone, *ZONES]),
        "The site",
        "its calendar",
    )
    return schedule, ClosedRule(opening, dice.choice(CHOICES))


def settled_starts(schedule: Any, rule: ClosedRule, until: datetime) -> Iterator[datetime]:
    """Each start until then, by looking at every planned time of the three months before."""
    for at in due_instants(schedule, until - timedelta(days=90), until):
        if start_at := rule.settle(schedule, at).start_at:
            yield start_at


@pytest.mark.parametrize("number", range(TRIES))
def test_a_day_is_due_when_a_run_starts_on_it(number: int) -> None:
    dice = random.Random(f"due days {number}")
    start = datetime(dice.randint(2025, 2034), dice.randint(1, 12), dice.randint(1, 28), tzinfo=UTC)
    schedule, rule = random_followed(dice, start)
    days = days_from(start.date(), 14, dice.choice(ZONES))
    starts = sorted(settled_starts(schedule, rule, days.starts[-1] - TINY))
    spans = list(zip(days.starts, days.starts[1:], strict=False))
    expected = [float(any(first <= at < end for at in starts)) for first, end in spans]
    assert parts_due(schedule, days, rule) == expected
    first, end = spans[dice.randrange(14)]
    now = first + (end - first) * dice.random()
    of_day = [at for at in starts if first <= at < end]
    ahead = [at for at in of_day if at > now]
    assert rest_of_day(schedule, first, end, now, rule) == (len(ahead) / len(of_day) if of_day else 0)


def close(session: Session, account: Account, site: Site | None, data: dict[str, Any], now: datetime) -> None:
    save_calendar(session, account, site, data, actor=AuditActor(), now=now)


def planned(machine: Machine, account: Account, dice: random.Random, **values: Any) -> AutomationRule:
    line = {"cron": dice.choice(LINES)} | dice.choice([{}, {"timezone": dice.choice(ZONES)}])
    common = {"trigger": "schedule", "record_type": None, "schedule": line, "overlap": "allow"}
    more = {"on_closed_days": dice.choice(CHOICES), "max_executions_per_day": 1000}
    return machine.make_rule(account, **common | more | values)


@pytest.mark.parametrize("number", WORLDS)
def test_forecast_times_are_those_that_come(
    session: Session, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules of one site, of all, and split by site; calendars of the account and of sites in their own zones."""
    monkeypatch.setattr(sums_of_days, "TOGETHER", 2)
    dice = random.Random(f"forecast {number}")
    machine = Machine(session)
    machine.now = now = datetime(
        2026, dice.randint(1, 12), dice.randint(1, 28), dice.randrange(24), tzinfo=UTC
    )
    account = make_account(session, credits=5000, timezone=dice.choice(ZONES))
    sites = [make_site(session, account, timezone=dice.choice([None, *ZONES])) for _ in range(2)]
    for site in sites:
        make_sector(session, site)
    for place in dice.sample([None, *sites], k=dice.randint(1, 3)):
        close(session, account, place, random_calendar(dice, now, 10), now)
    planned(machine, account, dice)
    planned(machine, account, dice, site=sites[0].id)
    planned(machine, account, dice, split_by="site")
    until = now + 9 * DAY
    starts = [now.replace(hour=0) + number * DAY for number in range(11)]
    days, _ = planned_days(RulesRead(session, account.id), Scope(account.id), now, starts, MOST_TIMES)
    foretold = sorted(
        (one.at, one.rule_id, one.site_id or 0, one.runs)
        for day in days
        for one in day.times
        if one.at <= until
    )
    for day in days:
        runs = [one for one in day.times if one.runs]
        minutes = Counter(at for at, _ in {(one.at.replace(second=0), one.rule_id) for one in runs})
        assert day.runs_of_rules == Counter(one.rule_id for one in runs)
        assert day.collisions == sum(rules >= 2 for rules in minutes.values())
        assert [day.together(one.at) for one in runs] == [minutes[one.at.replace(second=0)] for one in runs]
    go_to(machine, f"{until:%Y-%m-%d %H:%M}")
    came = sorted(
        (run.begins_at, run.automation_rule_id, run.site_id or 0, run.reason != "closed_day")
        for run in machine.runs()
        if run.scheduled_at > now and now < run.begins_at <= until
    )
    assert came == foretold
    assert foretold


def used_so_far(session: Session, rule: AutomationRule, now: datetime, weekends: bool) -> None:
    """The rule's runs of the past weeks, each for ten credits."""
    for back in range(1, 29):
        at = (now - back * DAY).replace(hour=9, minute=0)
        if weekends or at.isoweekday() <= 5:
            use(session, rule, 10, at, cause="schedule", site_id=rule.site_id)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("number", range(times(full=20, sample=2)))
def test_credits_end_when_the_calendar_has_used_them(session: Session, number: int, choice: str) -> None:
    """The line of costs of the calendar, and the day on which credits end: one tale, pauses of weeks included."""
    dice = random.Random(f"credits end {number}")
    now = datetime(2026, 11, 2, 12, tzinfo=UTC) + dice.randrange(7) * DAY
    account = make_account(session, credits=430, timezone="UTC", plan=make_plan(session, monthly_credits=0))
    site = make_site(session, account)
    first = date(2026, 11, 12) + timedelta(dice.randrange(10))
    pause = {"starts_on": str(first), "ends_on": str(first + timedelta(dice.randrange(1, 14)))}
    close(session, account, dice.choice([None, site]), {"working_hours": WORKDAYS, "pauses": [pause]}, now)
    rule = make_paid_rule(
        session, account, now - 60 * DAY, trigger="schedule", record_type="cluster", site=site.id,
        schedule={"cron": "0 9 * * *", "timezone": "UTC"}, on_closed_days=choice,
    )  # fmt: skip
    used_so_far(session, rule, now, weekends=choice == "run")
    left = account.credits_available
    shown = calendar(session, account, Scope(account.id), now.date(), now.date() + 50 * DAY, now)
    spent = 0
    for day in shown.days:
        spent += day.credits
        if spent > left:
            assert shown.credits_end_on == day.on
            return
    assert shown.credits_end_on is None or shown.credits_end_on > shown.days[-1].on


def test_a_rule_that_is_tried_follows_its_calendar(session: Session) -> None:
    """Ten working hours of 24, on five days of seven: an hourly rule without records uses as much."""
    now = datetime(2026, 11, 2, tzinfo=UTC)
    account = make_account(session, credits=5000, timezone="UTC")
    hours = [{"weekday": day, "opens": "08:00", "closes": "18:00"} for day in range(1, 6)]
    site = make_site(session, account)
    cluster = make_cluster(session, make_sector(session, site))
    rule = make_paid_rule(
        session, account, now - DAY, trigger="schedule", record_type=None, site=site.id, is_active=False,
        schedule={"cron": "0 * * * *", "timezone": "UTC"}, max_executions_per_day=100,
        actions=[{"type": "generate_ideas", "params": {"cluster_ids": [cluster.id]}}],
    )  # fmt: skip
    definition = definition_from(definition_of(rule) | {"is_active": True})

    def used() -> float:
        outlook = look_ahead(session, account, now)
        return with_rule(session, outlook, account, definition, now).forecast().uses[NEW]

    always = used()
    close(session, account, None, {"working_hours": hours}, now)
    # 22 of the next 30 days are working days.
    assert used() == pytest.approx(always * 10 / 24 * 22 / 30, rel=0.01)
