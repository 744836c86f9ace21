"""Monthly grants of many accounts under every kind of disturbance: each account gets each month's credits once."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.billing.models import CreditEntry
from tests.factories import make_account, make_plan
from tests.faults.crashes.trials import Child, Trials
from tests.sampling import times

ACCOUNTS = times(full=500, sample=25)
MONTHS = times(full=25, sample=4)
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati")
FIRST = datetime(2027, 1, 3, 12, tzinfo=UTC)
"""The month has begun in every zone."""

Disturbance = Callable[[Trials, datetime, tuple[str, ...]], None]


def killed_midway(trials: Trials, at: datetime, without: tuple[str, ...]) -> None:
    assert trials.dies("replenish", at=at, dies=f"after-commit:{ACCOUNTS // 4}", without=without)
    trials.run("replenish", at=at, dies=f"before-commit:{ACCOUNTS // 4}", without=without)
    trials.run("replenish", at=at, without=without)


def run_twice(trials: Trials, at: datetime, without: tuple[str, ...]) -> None:
    for hour in range(2):
        trials.run("replenish", at=at + timedelta(hours=hour), without=without)


def run_late(trials: Trials, at: datetime, without: tuple[str, ...]) -> None:
    trials.run("replenish", at=at + timedelta(days=24), without=without)


def two_at_once(trials: Trials, at: datetime, without: tuple[str, ...]) -> None:
    trials.run_at_once(*[Child("replenish", at=at, without=without)] * 2)


DISTURBANCES: tuple[Disturbance, ...] = (killed_midway, run_twice, run_late, two_at_once)


def months() -> list[datetime]:
    """A time early in each month."""
    firsts = [FIRST]
    while len(firsts) < MONTHS:
        firsts.append((firsts[-1] + timedelta(days=31)).replace(day=3))
    return firsts


@pytest.fixture
def accounts(world: Session) -> int:
    plan = make_plan(world)
    for zone in islice(cycle(ZONES), ACCOUNTS):
        make_account(world, credits=0, plan=plan, timezone=zone)
    world.commit()
    return ACCOUNTS


def grants(session: Session) -> Counter[str]:
    """How many accounts have each month's grant, by the month; twice where it has it twice."""
    found: Counter[str] = Counter(
        key[: len("grant-2027-01")] for key in session.scalars(select(CreditEntry.key))
    )
    session.rollback()
    return found


def test_each_account_gets_each_month_once(world: Session, trials: Trials, accounts: int) -> None:
    for at, disturb in zip(months(), cycle(DISTURBANCES), strict=False):
        disturb(trials, at, ())
    assert grants(world) == {f"grant-{at:%Y-%m}": accounts for at in months()}
    balances = world.scalars(select(Account.credits_balance)).all()
    assert list(balances) == [1000 * MONTHS] * accounts


@pytest.mark.parametrize(
    ("lacking", "disturb"), [("month key", run_twice), ("catch-up", killed_midway)], ids=["twice", "missing"]
)
def test_these_trials_fail_without_a_safeguard(
    world: Session, trials: Trials, accounts: int, lacking: str, disturb: Disturbance
) -> None:
    disturb(trials, FIRST, (lacking,))
    assert grants(world) != {"grant-2027-01": accounts}
