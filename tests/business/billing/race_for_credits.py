"""One of many processes that spend one balance at once: prints what it got. Started by test_credit_races."""

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, true
from sqlalchemy.orm import Session

from app.business.billing.services import spend_counters
from app.business.billing.services.credit_service import Budget, CreditService
from app.infrastructure.database import engine_options, prepare

AMOUNT = 3


def without_guard() -> None:
    """The build that must fail: the budget's row is counted whatever its limit says."""
    spend_counters.has_room = lambda budget, amount: true()


def spend(url: str, account_id: int, process: int, rounds: int, limit: int) -> int:
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    credits, charged = CreditService(), 0
    for run_id in range(process * 1000, process * 1000 + rounds):
        common: dict[str, Any] = {
            "account_id": account_id,
            "run_id": run_id,
            "budgets": [Budget("rule", 1, "2026-11", limit)],
            "now": datetime.now(UTC),
        }
        with _transaction(engine) as session:
            held = credits.hold(session, amount=AMOUNT, **common) is None
        if held:
            with _transaction(engine) as session:
                charged += credits.post(session, amount=AMOUNT - 1, key=f"r{run_id}", reason="Race", **common)
                credits.release(session, **common)
    return charged


@contextmanager
def _transaction(engine: Any) -> Any:
    with Session(engine) as session, session.begin():
        yield session


if __name__ == "__main__":
    address, account, number, times, most, guarded = sys.argv[1:]
    if guarded == "no":
        without_guard()
    sys.stdin.readline()
    print(spend(address, int(account), int(number), int(times), int(most)))  # noqa: T201
