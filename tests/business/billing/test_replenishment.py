"""Monthly credits: exactly once for each account and month, whatever goes wrong."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus
from app.business.billing.models import CreditEntry, Plan
from app.business.billing.services.credit_service import CreditService
from app.business.billing.services.plans import ensure_plans
from app.business.billing.services.replenishment import replenish_monthly_credits
from app.business.events import Event, EventBatch
from tests.factories import make_account, make_plan

NEW_YEAR = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)


@pytest.fixture
def transaction(session: Session) -> Callable[[], AbstractContextManager[Session]]:
    @contextmanager
    def short() -> Iterator[Session]:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise

    return short


def _entries(session: Session, account: Account) -> list[tuple[str, int, int]]:
    query = select(CreditEntry.key, CreditEntry.amount, CreditEntry.balance_after)
    rows = session.execute(query.where(CreditEntry.account_id == account.id).order_by(CreditEntry.id))
    return [(key, amount, after) for key, amount, after in rows]


def test_each_account_gets_its_credits_once(session: Session, transaction: Any) -> None:
    first, second = make_account(session, credits=0), make_account(session, credits=0)
    assert replenish_monthly_credits(transaction, NEW_YEAR).granted == [first.id, second.id]
    assert replenish_monthly_credits(transaction, NEW_YEAR + timedelta(hours=1)).granted == []
    assert _entries(session, first) == [("grant-2027-01", 1000, 1000)]


def test_a_month_missed_while_down_is_granted_later(session: Session, transaction: Any) -> None:
    account = make_account(session, credits=0)
    replenish_monthly_credits(transaction, NEW_YEAR + timedelta(days=27))
    assert _entries(session, account) == [("grant-2027-01", 1000, 1000)]


def test_the_month_begins_in_the_accounts_zone(session: Session, transaction: Any) -> None:
    tokyo = make_account(session, credits=0, timezone="Asia/Tokyo")
    honolulu = make_account(session, credits=0, timezone="Pacific/Honolulu")
    replenish_monthly_credits(transaction, NEW_YEAR - timedelta(hours=1))
    assert _entries(session, tokyo)[0][0] == "grant-2027-01"
    assert _entries(session, honolulu)[0][0] == "grant-2026-12"


@pytest.mark.parametrize("values", [{"status": AccountStatus.SUSPENDED}, {"status": AccountStatus.CLOSED}])
def test_only_active_accounts_get_credits(session: Session, transaction: Any, values: Any) -> None:
    account = make_account(session, credits=0, **values)
    assert replenish_monthly_credits(transaction, NEW_YEAR).granted == []
    account.status = AccountStatus.ACTIVE
    assert replenish_monthly_credits(transaction, NEW_YEAR + timedelta(days=9)).granted == [account.id]


def test_no_plan_or_a_free_plan_gives_nothing(session: Session, transaction: Any) -> None:
    without = make_account(session, credits=0)
    without.plan_id = None
    make_account(session, credits=0, plan=make_plan(session, "free", monthly_credits=0))
    assert replenish_monthly_credits(transaction, NEW_YEAR).granted == []


def test_a_changed_plan_grants_no_second_time(session: Session, transaction: Any) -> None:
    account = make_account(session, credits=0)
    replenish_monthly_credits(transaction, NEW_YEAR)
    account.plan_id = make_plan(session, "growth", monthly_credits=10_000).id
    assert replenish_monthly_credits(transaction, NEW_YEAR + timedelta(days=3)).granted == []
    replenish_monthly_credits(transaction, NEW_YEAR + timedelta(days=31))
    assert _entries(session, account)[-1] == ("grant-2027-02", 10_000, 11_000)


def test_one_accounts_error_does_not_stop_the_others(session: Session, transaction: Any) -> None:
    broken = make_account(session, credits=0, timezone="Mars/Olympus")
    sound = make_account(session, credits=0)
    report = replenish_monthly_credits(transaction, NEW_YEAR)
    assert report.granted == [sound.id]
    assert list(report.failed) == [broken.id]


@pytest.mark.parametrize(
    ("rollover", "expected"),
    [
        ({"rollover": "add"}, [("grant-2027-01", 1000, 1500)]),
        ({"rollover": "reset"}, [("grant-2027-01", 1000, 1500), ("expiry-2027-01", -460, 1040)]),
        (
            {"rollover": "cap", "rollover_cap": 300},
            [("grant-2027-01", 1000, 1500), ("expiry-2027-01", -160, 1340)],
        ),
        ({"rollover": "cap", "rollover_cap": 460}, [("grant-2027-01", 1000, 1500)]),
    ],
)
def test_what_is_left_is_kept_or_expires_but_never_what_runs_hold(
    session: Session, transaction: Any, now: datetime, rollover: Any, expected: Any
) -> None:
    account = make_account(session, credits=500, plan=make_plan(session, "own", **rollover))
    CreditService().hold(session, account_id=account.id, run_id=1, amount=40, budgets=[], now=now)
    replenish_monthly_credits(transaction, NEW_YEAR)
    assert _entries(session, account)[1:] == expected


def test_the_grant_starts_rules(session: Session, transaction: Any) -> None:
    account = make_account(session, credits=0)
    replenish_monthly_credits(transaction, NEW_YEAR)
    batch, event = session.scalars(select(EventBatch)).one(), session.scalars(select(Event)).one()
    assert (batch.type, batch.closed_at) == ("credits_granted", NEW_YEAR)
    assert (event.record_type, event.record_id) == ("account", account.id)
    assert event.data == {"amount": 1000, "month": "2027-01"}


def test_plans_are_created_once_and_keep_adjustments(session: Session) -> None:
    ensure_plans(session)
    session.scalars(select(Plan).where(Plan.code == "growth")).one().monthly_credits = 12_000
    ensure_plans(session)
    query = select(Plan.code, Plan.monthly_credits, Plan.shortest_interval_minutes).order_by(Plan.id)
    assert [tuple(row) for row in session.execute(query)] == [
        ("starter", 1_000, 5), ("growth", 12_000, 5), ("scale", 100_000, 1),
    ]  # fmt: skip
