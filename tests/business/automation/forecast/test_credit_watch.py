"""Notices that credits run out or are low: raised in time, renewed when the day changes, settled automatically."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.forecast.credit_watch import (
    FIFTH,
    LOW,
    RUN_OUT,
    accounts_near_the_end,
    update_notices,
    watch_credits,
)
from app.business.billing.models import EntryKind, SpendCounter
from app.business.billing.services.credit_service import CreditService
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.business.automation.machine import Machine
from tests.factories import make_account, make_plan

DAY = timedelta(days=1)


@pytest.fixture
def account(session: Session) -> Account:
    """Ten days before the grant; twenty credits a day for four weeks have left eighty."""
    return make_account(session, credits=560 + 80, plan=make_plan(session, monthly_credits=700))


@pytest.fixture
def rule(session: Session, account: Account, now: datetime) -> AutomationRule:
    rule = make_paid_rule(session, account, now - 40 * DAY, name="Nightly drafts")
    for back in range(1, 29):
        use(session, rule, 20, now - back * DAY)
    return rule


def test_editors_are_notified_a_week_ahead_with_the_rules_that_use_most(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    update_notices(session, account, now - 2 * DAY)
    notice = notice_of_key(session, account, RUN_OUT)
    assert notice.title == "Credits will run out about Thu 26 Nov, 5 days before the next grant"
    assert "“Nightly drafts” uses most (100%)." in notice.body
    assert "What you can do" in notice.body
    assert (notice.role, notice.rule_id, notice.read_at) == (Role.EDITOR, rule.id, None)


def test_a_notice_that_was_read_is_renewed_only_when_the_day_moves(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    at = now - 2 * DAY
    update_notices(session, account, at)
    notice_of_key(session, account, RUN_OUT).read_at = at
    update_notices(session, account, at + timedelta(hours=1))
    assert notice_of_key(session, account, RUN_OUT).read_at == at
    take(session, account, 60, at)
    update_notices(session, account, at + timedelta(hours=2))
    notice = notice_of_key(session, account, RUN_OUT)
    session.refresh(notice)
    assert "Mon 23 Nov" in notice.title
    assert notice.read_at is None


def test_it_is_settled_when_credits_come_and_raised_again_when_they_are_used(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    update_notices(session, account, now)
    take(session, account, -500, now)
    update_notices(session, account, now)
    assert open_notices(session, account) == []
    assert session.scalar(select(func.count(Notice.id))) == 1
    take(session, account, 500, now + timedelta(hours=1))
    update_notices(session, account, now + timedelta(hours=2))
    assert open_notices(session, account) == [RUN_OUT]
    assert session.scalar(select(func.count(Notice.id))) == 2


def test_nobody_is_notified_while_everything_is_paused(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    account.paused_at = now
    update_notices(session, account, now)
    assert open_notices(session, account) == []


def test_low_credits_are_notified_unless_the_day_they_end_is(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    take(session, account, 20, now)
    update_notices(session, account, now)
    assert open_notices(session, account) == [RUN_OUT]
    last_day_of_the_month = now + 6 * DAY
    update_notices(session, account, last_day_of_the_month)
    update_notices(session, account, last_day_of_the_month)
    assert open_notices(session, account) == [LOW]
    notice = notice_of_key(session, account, LOW)
    assert notice.title == "Credits are low: 60 left, less than a tenth of the monthly 700"
    assert "last until the next grant on Tue 1 Dec" in notice.body


def test_a_fifth_left_is_said_once_where_the_grant_comes_in_time(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    take(session, account, -50, now)
    last_days_of_the_month = now + 5 * DAY
    update_notices(session, account, last_days_of_the_month)
    update_notices(session, account, last_days_of_the_month)
    assert open_notices(session, account) == [FIFTH]
    notice = notice_of_key(session, account, FIFTH)
    assert notice.title == "19% of the monthly credits are left: 130 of 700"
    assert "last until the next grant on Tue 1 Dec" in notice.body
    take(session, account, -500, now)
    update_notices(session, account, last_days_of_the_month)
    assert open_notices(session, account) == []


def test_only_accounts_that_may_run_short_are_forecast(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    make_account(session, credits=1000)
    make_account(session, credits=0, plan=make_plan(session, "idle", monthly_credits=0))
    assert accounts_near_the_end(session, now) == [account.id]
    take(session, account, -5000, now)
    assert accounts_near_the_end(session, now) == []


def notice_of_key(session: Session, account: Account, key: str) -> Notice:
    return session.scalars(select(Notice).where(Notice.account_id == account.id, Notice.key == key)).one()


def open_notices(session: Session, account: Account) -> list[str | None]:
    query = select(Notice.key).where(Notice.account_id == account.id, Notice.read_at.is_(None))
    return list(session.scalars(query.order_by(Notice.key)))


def take(session: Session, account: Account, amount: int, at: datetime) -> None:
    CreditService().add(
        session,
        account_id=account.id,
        kind=EntryKind.ADJUST,
        amount=-amount,
        key=f"{amount} {at}",
        reason="",
        now=at,
    )


def test_an_unreadable_account_does_not_stop_notices_of_others(
    machine: Machine, session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    broken = make_account(session, credits=1, timezone="Nowhere/Land")
    use_counter = {"scope": "account", "scope_id": broken.id, "period": now.date().isoformat(), "spent": 500}
    session.add(SpendCounter(account_id=broken.id, **use_counter))
    session.commit()
    looked = watch_credits(machine.transaction, now)
    assert (looked.accounts, list(looked.failed)) == (1, [broken.id])
    assert open_notices(session, account) == [RUN_OUT]
