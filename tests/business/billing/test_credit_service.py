"""Credits: set aside, charged once, released; a refusal changes nothing."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.billing.models import CreditEntry, CreditHold, CreditHoldPart, EntryKind, SpendCounter
from app.business.billing.services.credit_service import Budget, BudgetScope, CreditService, Shortfall
from app.business.billing.services.spend_counters import TOTAL
from app.business.errors import NotEnoughCredits
from tests.factories import make_account

credits = CreditService()
RUN = 7


class Case:
    """One account with 100 credits, one run, and the counters it passes."""

    def __init__(self, session: Session, now: datetime) -> None:
        self.session, self.now = session, now
        self.account = make_account(session, credits=100)
        self.budgets = [
            Budget(BudgetScope.RULE, 3, "2026-11", 60),
            Budget(BudgetScope.ACCOUNT, self.account.id, "2026-11-24", None),
        ]

    def hold(self, amount: int, run_id: int = RUN) -> Shortfall | None:
        return credits.hold(self.session, amount=amount, budgets=self.budgets, **self._common(run_id))

    def post(self, amount: int, key: str = "r7-s0-1") -> int:
        return credits.post(self.session, amount=amount, key=key, reason="Ideas", **self._common(RUN))

    def release(self) -> int:
        return credits.release(self.session, **self._common(RUN))

    def _common(self, run_id: int) -> dict[str, Any]:
        return {"account_id": self.account.id, "run_id": run_id, "now": self.now}

    @property
    def figures(self) -> tuple[int, int]:
        balance = credits.balance_of(self.session, self.account.id)
        return balance.balance, balance.held

    @property
    def counters(self) -> list[tuple[int, int]]:
        query = select(SpendCounter.spent, SpendCounter.held).order_by(SpendCounter.scope.desc())
        return [(spent, held) for spent, held in self.session.execute(query)]


@pytest.fixture
def case(session: Session, now: datetime) -> Case:
    return Case(session, now)


def test_a_hold_sets_credits_aside_and_counts_them(case: Case) -> None:
    assert case.hold(40) is None
    assert case.figures == (100, 40)
    assert case.counters == [(0, 40), (0, 40)]
    assert credits.available(case.session, case.account.id) == 60


def test_a_loaded_account_shows_the_new_figures(case: Case) -> None:
    case.hold(40)
    assert case.account.credits_available == 60


def test_too_few_credits_refuse_and_change_nothing(case: Case) -> None:
    case.budgets = []
    shortfall = case.hold(101)
    assert shortfall == Shortfall("credits", 101, 100, "Needs 101 credits, 100 free.")
    assert case.figures == (100, 0)
    assert case.session.scalar(select(func.count(CreditHold.id))) == 0


def test_a_budget_that_is_used_up_refuses_and_changes_nothing(case: Case) -> None:
    case.hold(50)
    shortfall = case.hold(11, run_id=8)
    assert shortfall is not None
    assert (shortfall.kind, shortfall.needed, shortfall.available) == ("budget", 11, 10)
    assert shortfall.sentence == (
        "This rule's monthly budget is 60 credits: 10 are left for November 2026, and 11 are needed."
    )
    assert case.figures == (100, 50)
    assert case.counters == [(0, 50), (0, 50)]


def test_a_second_hold_of_the_run_raises_the_first(case: Case) -> None:
    case.hold(20)
    case.hold(15)
    assert case.figures == (100, 35)
    assert credits.held_by(case.session, case.account.id, RUN) == 35


def test_a_charge_moves_credits_from_held_to_spent(case: Case) -> None:
    case.hold(40)
    assert case.post(15) == 15
    assert case.figures == (85, 25)
    assert case.counters == [(15, 25), (15, 25)]


def test_the_same_unit_is_charged_once(case: Case) -> None:
    case.hold(40)
    assert case.post(15) == 15
    assert case.post(20) == 15
    assert case.figures == (85, 25)


def test_a_charge_never_exceeds_what_was_set_aside(case: Case) -> None:
    case.hold(10)
    assert case.post(15) == 10
    assert case.post(5, key="r7-s0-2") == 0
    assert case.figures == (90, 0)


def test_a_charge_of_zero_writes_nothing(case: Case) -> None:
    assert case.hold(0) is None
    assert case.post(0) == 0
    assert case.release() == 0
    assert case.counters == []
    assert case.session.scalar(select(func.count(CreditHold.id))) == 0


def test_the_end_of_a_run_releases_the_rest_once(case: Case) -> None:
    case.hold(40)
    case.post(15)
    assert case.release() == 25
    assert case.release() == 0
    assert case.figures == (85, 0)
    assert case.counters == [(15, 0), (15, 0)]


def test_a_retry_opens_the_hold_again_on_top_of_what_was_charged(case: Case) -> None:
    case.hold(40)
    case.post(15)
    case.release()
    case.hold(10)
    hold = case.session.scalars(select(CreditHold)).one()
    assert (hold.amount, hold.posted, hold.state, hold.closed_at) == (25, 15, "open", None)
    assert case.post(12, key="r7-s0-2") == 10


def test_every_entry_carries_the_balance_after_it(case: Case) -> None:
    case.hold(60)
    for number, amount in enumerate((5, 1, 30)):
        case.post(amount, key=f"r7-s0-{number}")
    entries = case.session.execute(
        select(CreditEntry.amount, CreditEntry.balance_after).order_by(CreditEntry.id)
    )
    assert [tuple(entry) for entry in entries] == [(100, 100), (-5, 95), (-1, 94), (-30, 64)]


def _add(case: Case, amount: int, key: str = "adjust-1") -> bool:
    return credits.add(
        case.session, account_id=case.account.id, kind=EntryKind.ADJUST, amount=amount,
        key=key, reason="Correction", now=case.now,
    )  # fmt: skip


def test_an_adjustment_counts_once(case: Case) -> None:
    assert _add(case, 50) is True
    assert _add(case, 50) is False
    assert case.figures == (150, 0)


def test_an_adjustment_takes_at_most_what_is_free(case: Case) -> None:
    case.hold(40)
    with pytest.raises(NotEnoughCredits, match="Needs 61 credits, 60 free"):
        _add(case, -61)
    assert _add(case, -60) is True
    assert case.figures == (40, 40)


def test_no_account_spends_the_credits_of_another(case: Case) -> None:
    other = make_account(case.session, credits=100)
    case.hold(40)
    common: dict[str, Any] = {"account_id": other.id, "run_id": RUN, "now": case.now}
    assert credits.post(case.session, amount=10, key="x", reason="Theirs", **common) == 0
    assert credits.release(case.session, **common) == 0
    assert case.session.get_one(Account, other.id).credits_balance == 100


def _sites(case: Case, **shares: int) -> list[Budget]:
    month = {"period": "2026-11", "limit": 50}
    return [
        Budget(BudgetScope.SITE, int(name.removeprefix("site")), share=share, **month)
        for name, share in shares.items()
    ]


def _counted(case: Case) -> dict[tuple[str, int], tuple[int, int]]:
    rows = case.session.scalars(select(SpendCounter).execution_options(populate_existing=True))
    return {(row.scope, row.scope_id): (row.spent, row.held) for row in rows}


def test_each_site_counts_its_own_share(case: Case) -> None:
    case.budgets = _sites(case, site1=30, site2=10)
    assert case.hold(40) is None
    credits.post(case.session, amount=8, key="a", reason="Ideas", site_id=2, **case._common(RUN))
    assert _counted(case) == {("site", 1): (0, 30), ("site", 2): (8, 2)}
    assert case.session.scalar(select(CreditEntry.site_id).where(CreditEntry.key == "a")) == 2
    case.release()
    assert _counted(case) == {("site", 1): (0, 0), ("site", 2): (8, 0)}


def test_one_site_without_room_refuses_by_name_and_changes_nothing(case: Case) -> None:
    case.budgets = _sites(case, site1=30, site2=51)
    shortfall = case.hold(81)
    assert shortfall is not None
    assert shortfall.budget is not None
    assert (shortfall.budget.scope_id, shortfall.needed, shortfall.available) == (2, 51, 50)
    assert _counted(case) == {}


def test_a_record_that_moved_is_paid_by_what_was_set_aside_where_it_was(case: Case) -> None:
    case.budgets = _sites(case, site1=10)
    case.hold(10)
    assert credits.post(case.session, amount=5, key="a", reason="", site_id=9, **case._common(RUN)) == 5
    assert _counted(case) == {("site", 1): (5, 5)}
    assert case.session.scalar(select(CreditEntry.site_id).where(CreditEntry.key == "a")) == 1


def test_credits_are_released_where_they_were_set_aside_whatever_the_day(case: Case) -> None:
    yesterday = [Budget(BudgetScope.ACCOUNT, case.account.id, "2026-11-23", None)]
    today = [Budget(BudgetScope.ACCOUNT, case.account.id, "2026-11-24", None)]
    case.budgets = yesterday
    case.hold(20)
    case.post(5)
    case.release()
    case.budgets = today
    case.hold(10)
    case.post(4, key="r7-s0-2")
    case.release()
    parts = case.session.scalars(select(CreditHoldPart).order_by(CreditHoldPart.period)).all()
    assert [(part.period, part.amount, part.posted) for part in parts] == [
        ("2026-11-23", 5, 5), ("2026-11-24", 4, 4),
    ]  # fmt: skip
    assert case.session.scalar(select(func.sum(SpendCounter.held))) == 0


def test_the_total_of_a_start_bounds_all_its_runs(case: Case) -> None:
    case.budgets = [Budget(BudgetScope.START, 7, TOTAL, 50)]
    assert case.hold(30) is None
    shortfall = case.hold(30, run_id=8)
    assert shortfall is not None
    assert shortfall.sentence == "The total of this start is 50 credits: 20 are left, and 30 are needed."
    case.post(12)
    case.release()
    assert case.hold(38, run_id=8) is None
