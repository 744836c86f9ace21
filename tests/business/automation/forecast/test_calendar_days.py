"""The calendar of planned times: each once, on its day, with its price, also over changes of the clocks."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.forecast import calendar_days, planned_days
from app.business.automation.services.forecast.calendar_days import calendar
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.schedules.due_minutes import due_minutes
from tests.business.automation.schedules.minute_walker import EPOCH, walk
from tests.factories import make_account, make_sector, make_site

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 10, 20, 9, 0, 30, tzinfo=UTC)


def scheduled(session: Session, account: Account, cron: str, **more: object) -> AutomationRule:
    data = {
        "name": free_name(session, account.id, "Rule"), "trigger": "schedule", "record_type": "keyword",
        "actions": [{"type": "cluster_keywords", "params": {}}],
        "schedule": {"cron": cron, "timezone": "Europe/Berlin"}, **more,
    }  # fmt: skip
    return AutomationService().create_rule(session, account, data, Actor(None), NOW)


def test_each_planned_time_is_once_on_its_day(session: Session) -> None:
    """Over the night in which clocks are set back, as an independent walk over all minutes finds them."""
    chance, account = Random(5), make_account(session, timezone="Europe/Berlin")
    crons = [
        f"{chance.randrange(60)} {chance.choice(['2', '*/7', '3', '0', '23'])} * * {chance.choice('*71')}"
        for _ in range(8)
    ]
    rules = {scheduled(session, account, cron).id: cron for cron in crons}
    scheduled(session, make_account(session), "0 5 * * *")
    first, end = date(2026, 10, 18), date(2026, 10, 28)
    found = calendar(session, account, Scope(account.id), first, end, NOW)
    assert [day.on for day in found.days] == [first + timedelta(days=number) for number in range(10)]
    assert [day.on for day in found.days if day.clocks_change] == [date(2026, 10, 25)]
    zone = ZoneInfo("Europe/Berlin")
    for rule_id, cron in rules.items():
        shown = [
            (day.on, run.time.at) for day in found.days for run in day.runs if run.time.rule_id == rule_id
        ]
        walked = walk(cron, "Europe/Berlin", NOW.replace(second=0), 9)
        due = [EPOCH + timedelta(minutes=int(minutes)) for minutes in walked]
        due = [at for at in due if NOW < at < datetime(2026, 10, 28, tzinfo=zone)]
        assert shown == [(at.astimezone(zone).date(), at) for at in due], cron
    changed = [run for day in found.days for run in day.runs if run.time.note]
    assert changed
    assert {run.time.at.astimezone(zone).date() for run in changed} == {date(2026, 10, 25)}


def test_what_collides_and_what_belongs_to_a_site(session: Session) -> None:
    account = make_account(session, timezone="Europe/Berlin")
    sites = [make_site(session, account) for _ in range(2)]
    for site in sites:
        make_sector(session, site)
    for _ in range(2):
        scheduled(session, account, "0 6 * * *")
    split = scheduled(session, account, "0 6 * * *", split_by="site")
    tomorrow = date(2026, 10, 21)
    whole = calendar(session, account, Scope(account.id), tomorrow, tomorrow + timedelta(days=1), NOW)
    (day,) = whole.days
    assert (len(day.runs), day.collisions) == (4, 1)
    of_site = Scope(account.id, frozenset([sites[0].id]))
    (day,) = calendar(session, account, of_site, tomorrow, tomorrow + timedelta(days=1), NOW).days
    assert [(run.time.rule_id, run.time.site_id) for run in day.runs] == [(split.id, sites[0].id)]
    assert day.credits == day.runs[0].credits > 0


def test_too_many_times_are_said_to_be_cut(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar_days, "MOST_TIMES", 30)
    account = make_account(session, timezone="Europe/Berlin")
    scheduled(session, account, "0 * * * *")
    first = date(2026, 10, 21)
    found = calendar(session, account, Scope(account.id), first, first + timedelta(days=5), NOW)
    assert found.complete_until == date(2026, 10, 22)
    assert [len(day.runs) for day in found.days] == [24, 6, 0, 0, 0]
    short = calendar(session, account, Scope(account.id), first, first + timedelta(days=1), NOW)
    assert (short.complete_until, len(short.days[0].runs)) == (None, 24)


def test_sums_of_a_day_are_those_of_its_runs(session: Session) -> None:
    """Also where rules share a schedule, each day of which is worked out once for them all."""
    chance, account = Random(7), make_account(session, timezone="Europe/Berlin")
    crons = ["0 6 * * *", "*/30 8-9 * * 1-5", "15 2 * * *", "0 6 1 * *"]
    rules = [scheduled(session, account, chance.choice(crons)) for _ in range(12)]
    paid = {rule.id for rule in rules[:5]}
    for rule in rules[5:]:
        rule.actions = [{"type": "update_records", "params": {"labels_add": ["seen"]}}]
    session.flush()
    first, end = date(2026, 10, 21), date(2026, 11, 4)
    due_minutes.cache_clear()
    days = calendar(session, account, Scope(account.id), first, end, NOW).days
    worked_out = due_minutes.cache_info().misses
    again = calendar(session, account, Scope(account.id), first, end, NOW).days
    assert [day.starting for day in again] == [day.starting for day in days]
    times = {
        rule.id: [run.time.at for day in days for run in day.runs if run.time.rule_id == rule.id]
        for rule in rules
    }
    lines = {rule.id: str(rule.schedule) for rule in rules}
    assert 0 < worked_out <= len({*lines.values()}) * len(days)
    assert due_minutes.cache_info().misses == worked_out
    assert all(times[one] == times[other] for one in times for other in times if lines[one] == lines[other])
    for day in days:
        assert day.starting == sum(run.time.runs for run in day.runs)
        assert day.credits == sum(run.credits for run in day.runs)
        assert {run.time.rule_id for run in day.runs if run.price} <= paid
        crowded = {run.time.at for run in day.runs if run.beside >= planned_days.TOGETHER - 1}
        assert day.collisions == len(crowded)
    assert any(day.credits for day in days)
    assert any(day.collisions for day in days)
