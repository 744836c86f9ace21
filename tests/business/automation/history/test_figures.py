"""The dashboard's figures, and that every planned time and event is accounted for."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, event, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.history import figures
from app.business.automation.services.triggering.planning import plan_rule
from app.business.automation.services.triggering.rule_switch import switch
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.events import EventBatch, EventType, Origin, close_batch, open_batch
from app.business.periods import last_days
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_site

pytestmark = pytest.mark.both_databases

DAY = timedelta(days=1)
HOURLY = {"cron": "7 * * * *", "timezone": "UTC"}


def charge(session: Session, account: Account, amount: int, at: datetime, kind: str = "charge") -> None:
    CreditService().add(
        session,
        account_id=account.id,
        kind=EntryKind(kind),
        amount=-amount,
        key=f"{kind}-{at}",
        reason="Ideas",
        now=at,
    )


def hourly_rule(session: Session, account: Account, now: datetime, **values: object) -> AutomationRule:
    """Switched on 25 hours ago, with a planned run every hour since then."""
    begun = now - DAY - timedelta(hours=1)
    rule = make_rule(session, account, trigger="schedule", schedule=HOURLY, now=begun, **values)
    for hours in range(26):
        plan_rule(session, rule, begun + timedelta(hours=hours))
        session.refresh(rule)
    return rule


def lose(session: Session, run: ScheduledTask) -> None:
    session.execute(delete(RunDetail).where(RunDetail.run_id == run.id))
    session.execute(delete(ScheduledTask).where(ScheduledTask.id == run.id))


def test_the_summary_counts_runs_rules_and_credits(session: Session, account: Account, now: datetime) -> None:
    rule = make_rule(session, account)
    make_rule(session, account, is_active=False)
    for status in (Status.COMPLETED, Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.SKIPPED):
        make_run(session, rule, now, status)
    make_run(session, rule, now - 31 * DAY)
    make_run(session, rule, now + DAY, Status.PENDING)
    charge(session, account, 30, now - DAY)
    charge(session, account, -4, now, "refund")
    charge(session, account, 9, now - 31 * DAY)
    found = figures.summary(session, Scope(account.id), last_days(31, "UTC", now), "UTC", now)
    assert (found.active_rules, found.success_rate, found.credits_used) == (1, 0.75, 26)
    assert found.runs == {"pending": 0, "running": 0, "completed": 3, "failed": 1, "skipped": 1}
    assert (len(found.recent), found.unaccounted) == (6, 0)


def test_without_runs_there_is_no_success_rate(session: Session, account: Account, now: datetime) -> None:
    make_run(session, make_rule(session, make_account(session)), now)
    found = figures.summary(session, Scope(account.id), last_days(2, "UTC", now), "UTC", now)
    assert (found.success_rate, sum(found.runs.values()), found.recent) == (None, 0, [])


def test_the_summary_takes_few_queries(session: Session, account: Account, now: datetime) -> None:
    for _ in range(5):
        hourly_rule(session, account, now)
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *about: statements.append(about[2]))
    figures.summary(session, Scope(account.id), last_days(31, "UTC", now), "UTC", now)
    assert len(statements) <= 7


def test_every_planned_time_has_its_run(session: Session, account: Account, now: datetime) -> None:
    hourly_rule(session, account, now)
    assert unaccounted(session, account.id, now) == 0


def test_a_planned_time_without_its_run_is_counted(session: Session, account: Account, now: datetime) -> None:
    rule = hourly_rule(session, account, now)
    runs = (
        session.query(ScheduledTask)
        .filter_by(automation_rule_id=rule.id)
        .order_by(ScheduledTask.scheduled_at)
    )
    lose(session, runs[3])
    lose(session, runs[7])
    assert unaccounted(session, account.id, now) == 2
    assert unaccounted(session, make_account(session).id, now) == 0


def test_a_rule_that_nobody_plans_any_more_is_counted(
    session: Session, account: Account, now: datetime
) -> None:
    make_rule(session, account, trigger="schedule", schedule=HOURLY, now=now - timedelta(hours=5))
    assert unaccounted(session, account.id, now) == 4
    assert figures.summary(session, Scope(account.id), last_days(2, "UTC", now), "UTC", now).unaccounted == 4


def test_one_row_may_stand_for_many_missed_times(session: Session, account: Account, now: datetime) -> None:
    every_minute = {"cron": "*/5 * * * *", "timezone": "UTC"}
    rule = make_rule(session, account, trigger="schedule", schedule=every_minute, now=now - DAY)
    plan_rule(session, rule, now)
    assert unaccounted(session, account.id, now) == 0


def test_time_switched_off_owes_nothing(session: Session, account: Account, now: datetime) -> None:
    rule = make_rule(session, account, trigger="schedule", schedule=HOURLY, now=now - timedelta(hours=5))
    switch(session, rule, False, now - timedelta(hours=5))
    assert unaccounted(session, account.id, now) == 0


@pytest.mark.parametrize(("status", "lost"), [("paused", 0), ("active", 4)])
def test_a_rule_split_over_paused_sites_owes_nothing(
    session: Session, account: Account, now: datetime, status: str, lost: int
) -> None:
    make_site(session, account, status=status)
    begun = now - timedelta(hours=5)
    make_rule(session, account, trigger="schedule", schedule=HOURLY, split_by="site", now=begun)
    assert unaccounted(session, account.id, now) == lost


def test_events_that_no_rule_was_asked_about_are_counted(
    session: Session, account: Account, now: datetime
) -> None:
    for age in (30, 300):
        at = now - timedelta(seconds=age)
        close_batch(session, open_batch(session, EventType.KEYWORD_ADDED, Origin(account.id), at), at)
    session.flush()
    assert unaccounted(session, account.id, now) == 1
    # They stay counted, however old.
    assert unaccounted(session, account.id, now + timedelta(days=40)) == 2
    session.execute(update(EventBatch).values(dispatched_at=now))
    assert unaccounted(session, account.id, now) == 0
