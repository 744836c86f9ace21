"""Credits and budgets of paid runs that are executed by sets: moved once, and never passed."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Status
from app.business.billing.models import CreditEntry, CreditHold, CreditHoldPart, SpendCounter
from app.business.billing.services import set_charges
from app.business.planner.models import Site
from tests.business.automation.machine import Machine
from tests.business.automation.runs.paid_world import drain_all, six_due

PRICE = 5


LIMITS: list[tuple[str, Any, Any]] = [
    ("balance", Account, {"credits_balance": 12}),
    ("ceiling", Account, {"daily_ceiling": 12}),
    ("rule", AutomationRule, {"monthly_budget": 12}),
    ("site", Site, {"monthly_budget": 12}),
]


@pytest.fixture
def machine(session: Session) -> Machine:
    return six_due(session)


@pytest.mark.both_databases
def test_credits_and_budgets_are_moved_once_and_add_up(machine: Machine) -> None:
    session = machine.session
    assert drain_all(machine).as_set == 6
    session.expire_all()
    account = session.scalars(select(Account)).one()
    assert (account.credits_balance, account.credits_held) == (1000 - 6 * PRICE, 0)
    counters = session.execute(select(SpendCounter.scope, SpendCounter.spent, SpendCounter.held)).all()
    assert {tuple(row) for row in counters} == {
        (scope, 6 * PRICE, 0) for scope in ("account", "rule", "site")
    }
    after = list(session.scalars(select(CreditEntry.balance_after).order_by(CreditEntry.id)))
    assert after == [1000 - number * PRICE for number in range(7)]
    parts = session.execute(select(CreditHoldPart.amount, CreditHoldPart.posted)).all()
    assert [tuple(part) for part in parts] == [(PRICE, PRICE)] * 18
    assert {hold.state for hold in session.scalars(select(CreditHold))} == {"closed"}


@pytest.mark.both_databases
@pytest.mark.parametrize(("level", "model", "values"), LIMITS, ids=[level for level, *_ in LIMITS])
def test_runs_that_a_limit_does_not_pay_for_are_in_no_set(
    machine: Machine, level: str, model: Any, values: dict[str, int]
) -> None:
    session = machine.session
    session.execute(update(model).values(values))
    if level == "balance":
        session.add(
            CreditEntry(
                account_id=session.scalars(select(Account.id)).one(), kind="adjust", amount=-988,
                balance_after=12, key="less", reason="Less", created_at=machine.now,
            )
        )  # fmt: skip
    session.commit()
    drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 2, 0)
    assert len(machine.runs(Status.COMPLETED)) == 2
    assert {run.waiting_for for run in machine.runs(Status.PENDING)} <= {"credits", "budget"}
    assert machine.breaches() == []


@pytest.mark.both_databases
@pytest.mark.parametrize("level", [level for level, *_ in LIMITS])
def test_a_limit_reached_while_ideas_are_made_is_met_by_the_guards(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is not asked again here, so that only the guard of each update is left."""
    assert guards_hold(machine, level, monkeypatch)


def guards_hold(machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    session = machine.session
    monkeypatch.setattr(
        "app.business.automation.services.draining.paid_runs.number_affordable",
        lambda _session, charges: len(charges),
    )
    _, model, values = next(limit for limit in LIMITS if limit[0] == level)
    session.execute(update(model).values(values))
    session.commit()
    drained = drain_all(machine)
    return (drained.as_set, drained.singly, len(machine.runs(Status.COMPLETED))) == (0, 6, 2)


@pytest.mark.parametrize("level", ["ceiling", "rule", "site"])
def test_a_budget_without_a_guard_is_found(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_only(sums: Any, charge: Any) -> None:
        sums.amount += charge.amount

    monkeypatch.setattr(set_charges._Sum, "add", count_only)
    assert not guards_hold(machine, level, monkeypatch)


@pytest.mark.parametrize("level", ["ceiling", "rule", "site"])
def test_a_guard_whose_rows_are_not_counted_is_found(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_charges, "_change", set_charges._changed)
    assert not guards_hold(machine, level, monkeypatch)


def test_a_hold_taken_for_the_wrong_run_is_found(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = set_charges._hold

    def of_another(charge: Any, now: Any) -> dict[str, Any]:
        return hold(charge, now) | {"run_id": charge.run_id + 1}

    monkeypatch.setattr(set_charges, "_hold", of_another)
    drained = drain_all(machine)
    assert (drained.as_set, drained.singly) == (6, 0)
    assert machine.breaches() == ["charged_as_held: ('7, 5', '1, 5')"]
