"""The forecast's input: the ledger's figures by rule and day, switches, budgets, and rules that never ran."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.forecast.outlook import Outlook, look_ahead, with_rule
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering.rule_switch import switch
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.factories import make_account, make_cluster, make_sector, make_site
from tests.modules.automation_pages import counted

DAY = timedelta(days=1)
NIGHTLY = {
    "trigger": "schedule",
    "schedule": {"cron": "0 2 * * *", "timezone": "UTC"},
    "record_type": "cluster",
}


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session, credits=5000, timezone="Europe/Berlin")


@pytest.fixture
def rule(session: Session, account: Account, now: datetime) -> AutomationRule:
    return make_paid_rule(session, account, now - 60 * DAY)


def test_what_rules_used_is_what_the_ledger_says(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    other = make_paid_rule(session, account, now - 60 * DAY, name="Other")
    use(session, rule, 6, now)
    for back in range(1, 31):
        use(session, rule, back, now - back * DAY)
        use(session, other, 2 * back, now - back * DAY)
    run = use(session, rule, 40, now - 3 * DAY)
    CreditService().add(
        session, account_id=account.id, kind=EntryKind.REFUND, amount=15, key="back", reason="Refund",
        now=now - 2 * DAY, run_id=run.id,
    )  # fmt: skip
    query = text(
        "SELECT -SUM(e.amount) FROM credit_entry e JOIN scheduled_task t ON t.id = e.run_id WHERE "
        "t.automation_rule_id = :rule AND e.created_at >= :start AND e.created_at < :end"
    )
    # 28 days of Berlin, which is one hour ahead of UTC, today included.
    span = {"start": "2026-10-27 23:00:00.000000", "end": "2026-11-24 23:00:00.000000"}
    if session.get_bind().dialect.name == "postgresql":
        span = {name: datetime.fromisoformat(f"{at}+00:00") for name, at in span.items()}
    outlook = look_ahead(session, account, now)
    for entry in outlook.rules:
        assert entry.used == session.scalar(query, span | {"rule": entry.rule.id})


def test_manual_runs_and_backfills_count_as_use_but_not_for_the_pace(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    for back in range(1, 29):
        use(session, rule, 10, now - back * DAY)
    use(session, rule, 70, now - 2 * DAY, cause="manual")
    use(session, rule, 900, now - 3 * DAY, cause="backfill")
    outlook = look_ahead(session, account, now)
    assert outlook.rules[0].used == 270 + 70 + 900
    assert sum(outlook.rules[0].streams[0].used) == 280
    assert sum(outlook.by_hand[0].used) == 70


def test_a_rule_is_measured_by_the_days_it_was_on(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    switch(session, rule, False, now - 40 * DAY)
    switch(session, rule, True, now - 6 * DAY)
    for back in range(1, 7):
        use(session, rule, 30, now - back * DAY + timedelta(hours=1))
    forecast = look_ahead(session, account, now).forecast()
    assert forecast.uses[rule.id] / 30 == pytest.approx(30, abs=4)


def test_a_schedule_that_was_changed_counts_in_its_new_times(
    session: Session, account: Account, now: datetime
) -> None:
    hourly = NIGHTLY | {"schedule": {"cron": "0 8-17 * * *", "timezone": "UTC"}}
    rule = make_paid_rule(session, account, now - 60 * DAY, **hourly)
    for back in range(1, 29):
        use(session, rule, 100, now - back * DAY, cause="schedule")
    data = definition_of(rule) | NIGHTLY
    AutomationService().update_rule(session, rule, data, Actor(None), now - timedelta(hours=1))
    assert look_ahead(session, account, now).forecast().uses[rule.id] == pytest.approx(300, rel=0.05)


def test_rules_that_are_off_practising_or_free_use_nothing(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    for back in range(1, 29):
        use(session, rule, 10, now - back * DAY)
    switch(session, rule, False, now)
    make_paid_rule(session, account, now, mode="shadow")
    make_paid_rule(session, account, now, actions=[{"type": "notify", "params": {"message": "Hi"}}])
    outlook = look_ahead(session, account, now)
    assert [entry.rule.id for entry in outlook.rules] == [rule.id]
    assert outlook.forecast().used == 0
    assert outlook.forecast({rule.id: 1}).used == pytest.approx(300, rel=0.05)


def test_budgets_of_rule_site_and_day_are_those_left(session: Session, now: datetime) -> None:
    account = make_account(session, credits=5000, daily_ceiling=100)
    site = make_site(session, account, monthly_budget=300)
    rule = make_paid_rule(session, account, now - 60 * DAY, site=site.id, monthly_budget=400)
    use(session, rule, 30, now - timedelta(hours=1))
    use(session, rule, 50, now - 2 * DAY)
    funds = look_ahead(session, account, now).funds
    assert (funds.ceiling.left, funds.rules[rule.id].left, funds.sites[site.id].left) == (70, 320, 220)


@pytest.fixture
def sector(session: Session, account: Account, now: datetime) -> Any:
    """Fourteen clusters were created in the last four weeks, six before."""
    sector = make_sector(session, make_site(session, account))
    for number in range(20):
        make_cluster(session, sector, created_at=now - (2 if number < 14 else 90) * DAY)
    return sector


def test_a_new_rule_is_estimated_by_records_that_come_and_records_that_wait(
    session: Session, account: Account, sector: Any, now: datetime
) -> None:
    events = make_paid_rule(session, account, now)
    nightly = make_paid_rule(session, account, now, **NIGHTLY)
    streams = {entry.rule.id: entry.streams[0] for entry in look_ahead(session, account, now).rules}
    # Five credits a cluster.
    assert (streams[events.id].estimated_use, streams[events.id].waiting) == (14 * 5 / 28, 0)
    assert (streams[nightly.id].estimated_use, streams[nightly.id].waiting) == (14 * 5 / 28, 20 * 5)


def test_an_unsaved_rule_can_be_added(
    session: Session, account: Account, rule: AutomationRule, sector: Any, now: datetime
) -> None:
    for back in range(1, 29):
        use(session, rule, 10, now - back * DAY)
    outlook = look_ahead(session, account, now)
    definition = definition_from(definition_of(rule) | NIGHTLY | {"monthly_budget": 60})
    added = with_rule(session, outlook, account, definition, now).forecast()
    assert 60 < added.used - outlook.forecast().used <= 120


def test_it_takes_few_queries_however_long_the_history(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    for _ in range(4):
        other = make_paid_rule(session, account, now - 60 * DAY, **NIGHTLY)
        use(session, other, 10, now - DAY)
    for back in range(1, 29):
        use(session, rule, 10, now - back * DAY)
    session.expire_all()
    with counted() as statements:
        outlook: Outlook = look_ahead(session, account, now)
        outlook.forecast()
    assert len(statements) <= 8


def test_each_new_rule_takes_one_query_more(session: Session, account: Account, now: datetime) -> None:
    taken = []
    for _ in range(2):
        for _ in range(3):
            make_paid_rule(session, account, now - DAY, **NIGHTLY)
        session.expire_all()
        with counted() as statements:
            look_ahead(session, account, now)
        taken.append(len(statements))
    assert taken[1] - taken[0] == 3


def test_an_account_without_plan_or_rules_has_an_empty_outlook(session: Session, now: datetime) -> None:
    account = make_account(session, credits=0)
    account.plan_id = None
    forecast = look_ahead(session, account, now).forecast()
    assert (forecast.used, forecast.runs_out, forecast.grants_on) == (0, None, ())
