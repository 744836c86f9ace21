"""Eight processes spend one balance concurrently: never too much, never twice, every credit explained."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.billing.models import CreditEntry, SpendCounter
from app.business.billing.services.credit_service import CreditService
from tests.business.billing import race_for_credits
from tests.factories import make_account

PROCESSES, ROUNDS, BALANCE = 8, 12, 100


def _race(session: Session, url: str, limit: int, guarded: bool = True) -> tuple[int, int]:
    """The account and what the processes say they were charged together."""
    account = make_account(session, credits=BALANCE)
    session.commit()
    charged = race_for_credits.race(
        url, account.id, processes=PROCESSES, rounds=ROUNDS, limit=limit, guarded=guarded
    )
    session.rollback()
    return account.id, charged


def test_a_balance_is_spent_to_the_last_credit_and_no_further(session: Session, database_url: str) -> None:
    account_id, charged = _race(session, database_url, limit=10_000)
    balance = CreditService().balance_of(session, account_id)
    assert (balance.balance, balance.held) == (BALANCE - charged, 0)
    # 3 are set aside for each run and 2 used: the last one or two credits cannot start another.
    assert 0 <= balance.available < race_for_credits.AMOUNT
    assert session.scalar(select(func.count(CreditEntry.id))) == 1 + charged // (race_for_credits.AMOUNT - 1)
    entries = session.execute(
        select(CreditEntry.amount, CreditEntry.balance_after).order_by(CreditEntry.id)
    ).all()
    reached = 0
    for amount, after in entries:
        reached += amount
        assert after == reached


def test_a_budget_is_never_exceeded(session: Session, database_url: str) -> None:
    _, charged = _race(session, database_url, limit=40)
    spent, held = session.execute(select(SpendCounter.spent, SpendCounter.held)).one()
    assert (spent, held) == (charged, 0)
    assert 40 - race_for_credits.AMOUNT < spent <= 40


def test_this_race_fails_without_the_guard(session: Session, database_url: str) -> None:
    _race(session, database_url, limit=40, guarded=False)
    assert (session.scalar(select(func.sum(SpendCounter.spent))) or 0) > 40
