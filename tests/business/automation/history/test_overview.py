"""Figures of the dashboard: outcomes by hour, lateness, where credits went, the pipeline, first steps, what comes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.forecast import planned_times
from app.business.automation.services.forecast.calendar_days import MOST_TIMES
from app.business.automation.services.forecast.planned_days import planned_days
from app.business.automation.services.history import dashboard
from app.business.automation.services.history.credit_use import credit_use
from app.business.automation.services.history.dashboard import Outcomes
from app.business.automation.services.history.first_steps import FirstSteps, first_steps
from app.business.automation.services.history.pipeline import pipeline
from app.business.automation.services.history.time_saved import hours_saved
from app.business.automation.services.rules.known_rules import RulesRead
from app.business.automation.services.rules.naming import free_name
from app.business.periods import last_days
from app.business.writer.models import ContentStatus
from tests.business.automation.run_rows import add_charge, make_rule, make_run
from tests.factories import (
    make_account,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)

pytestmark = pytest.mark.both_databases


def test_outcomes_by_hour_are_those_of_the_runs(session: Session, account: Account, now: datetime) -> None:
    chance, rule, others = Random(7), make_rule(session, account), make_rule(session, make_account(session))
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    expected: Counter[tuple[datetime, str]] = Counter()
    looks = [
        (Status.COMPLETED, None), (Status.FAILED, Reason.TIMED_OUT), (Status.SKIPPED, Reason.CONDITIONS),
        (Status.SKIPPED, Reason.SHADOW), (Status.PENDING, None),
    ]  # fmt: skip
    for _ in range(60):
        at = now - timedelta(minutes=chance.randrange(26 * 60))
        status, reason = chance.choice(looks)
        make_run(session, rule, at, status, reason=reason, cause=Cause.MANUAL)
        make_run(session, others, at, status, reason=reason, cause=Cause.MANUAL)
        name = "practised" if reason == Reason.SHADOW else str(status)
        if at >= start:
            expected[at.replace(minute=0, second=0, microsecond=0), name] += 1
    found = dashboard.outcomes_by_hour(session, Scope(account.id), now)
    assert list(found) == [start + timedelta(hours=number) for number in range(24)]
    for hour, outcomes in found.items():
        kinds = ("completed", "failed", "skipped", "practised")
        assert outcomes == Outcomes(*(expected[hour, kind] for kind in kinds))


def test_lateness_is_of_planned_runs_that_waited_for_nothing(
    session: Session, account: Account, now: datetime
) -> None:
    rule = make_rule(session, account)
    assert dashboard.lateness(session, Scope(account.id), last_days(7, "UTC", now), "UTC", now) is None
    for late in range(1, 101):
        due = now - timedelta(hours=late)
        make_run(
            session, rule, due, cause=Cause.SCHEDULE, attempt=1, started_at=due + timedelta(seconds=late)
        )
    due = now - timedelta(hours=1, minutes=1)
    hours_late = {"started_at": due + timedelta(hours=1)}
    make_run(session, rule, due, cause=Cause.SCHEDULE, attempt=2, **hours_late)
    make_run(session, rule, due, cause=Cause.MANUAL, attempt=1, **hours_late)
    waited = due + timedelta(seconds=30)
    make_run(session, rule, waited, cause=Cause.SCHEDULE, attempt=1, waiting_since=due, **hours_late)
    found = dashboard.lateness(session, Scope(account.id), last_days(7, "UTC", now), "UTC", now)
    # Where the classes of 50 and of 99 seconds end.
    assert found == dashboard.Lateness(100, 60, 120)


def test_credits_are_counted_by_rule_site_and_action(
    session: Session, account: Account, now: datetime
) -> None:
    """By the site of the records and the action that took them, in one run over several sites too."""
    rules = [make_rule(session, account, name=name) for name in ("A", "B")]
    sites = [make_site(session, account).id for _ in range(2)]
    charges = [
        [(0, "generate_ideas", 5), (1, "generate_content", 7)],
        [(1, "generate_content", 30), (1, "generate_ideas", 10)],
    ]
    for number, of_run in enumerate(charges):
        run = make_run(session, rules[number], now - timedelta(hours=number), site_id=None)
        for step, (site, action, amount) in enumerate(of_run):
            add_charge(session, run, step, action, amount, now, site_id=sites[site])
    unpaid = add_charge(session, run, 2, "notify", 0, now)
    unpaid.provider_key = f"r{run.id}-s0-1"
    session.flush()
    period = last_days(7, "UTC", now)
    found = credit_use(session, Scope(account.id), period, "UTC")
    assert list(found.by_rule.items()) == [(rules[1].id, 40), (rules[0].id, 12)]
    assert list(found.by_site.items()) == [(sites[1], 47), (sites[0], 5)]
    assert list(found.by_action.items()) == [("generate_content", 37), ("generate_ideas", 15)]
    of_site = credit_use(session, Scope(account.id, frozenset([sites[0]])), period, "UTC")
    assert (of_site.by_rule, of_site.by_action) == ({rules[0].id: 5}, {"generate_ideas": 5})


def test_the_pipeline_counts_what_is_in_use_of_the_scope(
    session: Session, account: Account, now: datetime
) -> None:
    sites = [make_site(session, account) for _ in range(2)]
    month = now - timedelta(days=20)
    for site in sites:
        sector = make_sector(session, site)
        for at in (now, month - timedelta(days=1)):
            make_keyword(session, sector, created_at=at)
            make_cluster(session, sector, created_at=at)
            make_idea(session, sector, created_at=at)
            make_task(session, sector, created_at=at)
            make_content(session, sector, created_at=at, status_since=at, status=ContentStatus.PUBLISHED)
        make_content(session, sector, created_at=now, status=ContentStatus.REVIEW)
        make_idea(session, sector, created_at=now, status="rejected")
        make_keyword(session, sector, created_at=now, archived_at=now)
    session.flush()
    for scope, times in ((Scope(account.id), 2), (Scope(account.id, frozenset([sites[0].id])), 1)):
        flow = pipeline(session, scope, month, now - timedelta(days=1))
        plain = {stage.key: (stage.count, stage.came) for stage in flow.stages}
        two = (2 * times, times)
        assert plain == {
            "keyword": two, "cluster": two, "idea": two, "task": two, "content": (3 * times, 2 * times),
            "published": two,
        }  # fmt: skip
        assert flow.to_check == times
        assert [stage.by_rules for stage in flow.stages] == [0, 0, 0, 0, 0, times]


def test_hours_saved_are_of_what_rules_made_in_the_period(
    session: Session, account: Account, now: datetime
) -> None:
    sector = make_sector(session, make_site(session, account))
    run = make_run(session, make_rule(session, account), now)
    for at, by in ((now, run.id), (now, None), (now - timedelta(days=9), run.id)):
        for make in (make_cluster, make_idea, make_task, make_content):
            make(session, sector, created_at=at, made_by_run_id=by)
    session.flush()
    flow = pipeline(session, Scope(account.id), now, now - timedelta(days=7))
    assert hours_saved(account, flow) == (5 + 10 + 5 + 120) / 60
    account.minutes_saved = {"content": 40, "task": 0}
    assert hours_saved(account, flow) == (5 + 10 + 0 + 40) / 60


def test_first_steps_are_done_one_after_the_other(session: Session, account: Account, now: datetime) -> None:
    scope, steps = Scope(account.id), [first_steps(session, Scope(account.id))]
    sector = make_sector(session, make_site(session, account))
    steps.append(first_steps(session, scope))
    make_keyword(session, sector)
    steps.append(first_steps(session, scope))
    rule = make_rule(session, account)
    rule.is_active = True
    steps.append(first_steps(session, scope))
    make_content(session, sector)
    steps.append(first_steps(session, scope))
    assert steps == [FirstSteps(*[number > step for step in range(4)]) for number in range(5)]
    assert [found.is_complete for found in steps] == [False] * 4 + [True]


def scheduled(session: Session, account: Account, cron: str, now: datetime, **more: object) -> AutomationRule:
    data = {
        "name": free_name(session, account.id, "Rule"), "trigger": "schedule", "record_type": "keyword",
        "actions": [{"type": "cluster_keywords", "params": {}}], "schedule": {"cron": cron}, **more,
    }  # fmt: skip
    return AutomationService().create_rule(session, account, data, Actor(None), now)


def test_the_next_times_are_the_first_of_all_times(session: Session, account: Account, now: datetime) -> None:
    """Also of rules that come often, of rules split by site, and of runs that have their rows already."""
    chance = Random(11)
    for _ in range(3):
        make_sector(session, make_site(session, account))
    for _ in range(12):
        cron = f"{chance.randrange(60)} {chance.choice(['*', '*/3', '4', '17'])} * * *"
        scheduled(session, account, cron, now, split_by=chance.choice(["none", "site"]))
    scheduled(session, make_account(session), "* * * * *".replace("* ", "*/5 ", 1), now)
    session.flush()
    scope, until, rules = Scope(account.id), now + timedelta(days=2), RulesRead(session, account.id)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [midnight + timedelta(days=number) for number in range(4)]
    days, _ = planned_days(rules, scope, now, starts, MOST_TIMES)
    every = [time for day in days for time in day.times if time.at <= until]
    assert every == sorted(every, key=lambda time: (time.at, time.rule_id))
    assert len({(time.at, time.rule_id, time.site_id) for time in every}) == len(every) > 100
    for limit in (1, 5, 20):
        found = planned_times.next_times(rules, scope, now, until, limit)
        assert [time.at for time in found] == [time.at for time in every[:limit]]
    names = {time.rule_id: time.rule_name for time in every}
    assert len(set(names.values())) == 12


def test_a_price_is_measured_or_the_most(session: Session, account: Account) -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    known, new = (scheduled(session, account, "0 5 * * *", now, credit_limit_per_execution=30) for _ in "ab")
    free = scheduled(
        session, account, "0 6 * * *", now, actions=[{"type": "update_records", "params": {"note": "x"}}]
    )
    for number, amount in enumerate((3, 6)):
        run = make_run(session, known, now - timedelta(days=number + 1))
        add_charge(session, run, 0, "generate_ideas", amount, now)
    prices = planned_times.run_prices(
        RulesRead(session, account.id), account, [known.id, new.id, free.id], now
    )
    assert prices == {
        known.id: planned_times.RunPrice(4, True), new.id: planned_times.RunPrice(30, False)
    }  # fmt: skip
