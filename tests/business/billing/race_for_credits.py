"""Many processes that spend one balance concurrently; test_credit_races starts them."""

import multiprocessing
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, true
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.billing.services import spend_counters
from app.business.billing.services.credit_service import Budget, BudgetScope, CreditService
from app.infrastructure.database import engine_options, prepare

AMOUNT = 3
start: Any = None


def race(url: str, account_id: int, *, processes: int, rounds: int, limit: int, guarded: bool = True) -> int:
    """Let real processes, released together, spend the account's credits; returns what they were charged."""
    # A server that has everything imported forks them: eight fresh interpreters would take a minute to start.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    tasks = [(url, account_id, number, rounds, limit) for number in range(1, processes + 1)]
    with context.Pool(processes, _begin, (context.Barrier(processes), guarded)) as pool:
        return sum(pool.starmap(spend, tasks, chunksize=1))


def _begin(barrier: Any, guarded: bool) -> None:
    global start
    start = barrier
    if not guarded:
        # The build that must fail: the budget's row is counted whatever its limit says.
        spend_counters.has_room = lambda budget, amount: true()


def spend(url: str, account_id: int, process: int, rounds: int, limit: int) -> int:
    start.wait(60)
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    credits, charged = CreditService(), 0
    budgets = [Budget(BudgetScope.RULE, 1, "2026-11", limit)]
    for run_id in range(process * 1000, process * 1000 + rounds):
        common: dict[str, Any] = {
            "account_id": account_id,
            "run_id": run_id,
            "now": datetime.now(UTC),
        }
        with _transaction(engine) as session:
            held = credits.hold(session, amount=AMOUNT, budgets=budgets, **common) is None
        if held:
            with _transaction(engine) as session:
                # What a unit makes is written before its charge, and refers to the account as well.
                made = {"level": "info", "title": "Made", "body": "", "key": f"r{run_id}"}
                add_notice(session, account_id=account_id, now=common["now"], **made)
                charged += credits.post(session, amount=AMOUNT - 1, key=f"r{run_id}", reason="Race", **common)
                credits.release(session, **common)
    return charged


@contextmanager
def _transaction(engine: Any) -> Any:
    with Session(engine) as session, session.begin():
        yield session
