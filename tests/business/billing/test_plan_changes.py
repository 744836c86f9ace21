"""Another plan in the middle of a month: an entry of its own, no second grant, nothing gained by going up and down."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.billing.services.plan_changes import change_plan
from app.business.billing.services.plans import ensure_plans, plan_with
from app.business.billing.services.replenishment import grant_month
from app.business.errors import Conflict, Invalid
from tests.factories import make_account

THEN = datetime(2027, 1, 12, 9, tzinfo=UTC)


@pytest.fixture
def account(session: Session) -> Account:
    """On the plan Starter, with January's 1,000 credits."""
    ensure_plans(session)
    account = make_account(session, credits=0, plan=plan_with(session, "starter"))
    grant_month(session, account.id, THEN)
    return account


def entries(session: Session) -> list[tuple[str, str, int, int]]:
    query = select(CreditEntry.kind, CreditEntry.key, CreditEntry.amount, CreditEntry.balance_after)
    return [tuple(row) for row in session.execute(query.order_by(CreditEntry.id))]


def test_a_bigger_plan_gives_the_difference_in_an_entry_of_its_own(
    session: Session, account: Account
) -> None:
    assert change_plan(session, account, "growth", THEN) == 9_000
    assert entries(session) == [
        ("grant", "grant-2027-01", 1_000, 1_000),
        ("adjust", "plan-2027-01-1", 9_000, 10_000),
    ]
    assert not grant_month(session, account.id, THEN + timedelta(days=3))
    grant_month(session, account.id, THEN + timedelta(days=31))
    assert entries(session)[-1] == ("grant", "grant-2027-02", 10_000, 20_000)


def test_a_smaller_plan_takes_nothing_back_and_says_so_in_the_ledger(
    session: Session, account: Account
) -> None:
    change_plan(session, account, "growth", THEN)
    assert change_plan(session, account, "starter", THEN) == 0
    assert entries(session)[-1] == ("adjust", "plan-2027-01-2", 0, 10_000)
    reason = select(CreditEntry.reason).where(CreditEntry.key == "plan-2027-01-2")
    assert session.scalar(reason) == "Plan changed from Growth to Starter"


def test_going_up_and_down_makes_no_credits(session: Session, account: Account) -> None:
    change_plan(session, account, "growth", THEN)
    spent = {"kind": EntryKind.ADJUST, "amount": -10_000, "key": "spent", "reason": "Spent", "now": THEN}
    CreditService().add(session, account_id=account.id, **spent)
    assert [change_plan(session, account, plan, THEN) for plan in ("starter", "growth", "starter")] == [
        0,
        0,
        0,
    ]
    assert change_plan(session, account, "scale", THEN) == 90_000


def test_before_the_months_grant_the_new_plan_gives_it(session: Session, account: Account) -> None:
    later = THEN + timedelta(days=31)
    assert change_plan(session, account, "growth", later) == 10_000
    assert [entry[1:3] for entry in entries(session)[1:]] == [
        ("grant-2027-02", 10_000),
        ("plan-2027-02-1", 0),
    ]


def test_an_unknown_plan_or_the_present_one_is_refused(session: Session, account: Account) -> None:
    with pytest.raises(Invalid, match="There is no plan “gold”"):
        change_plan(session, account, "gold", THEN)
    with pytest.raises(Conflict, match="on the plan Starter already"):
        change_plan(session, account, "starter", THEN)
    assert len(entries(session)) == 1
