"""The total of a start: one counter for its runs and retries, increased by each hold and decreased by each release."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache

from sqlalchemy import Select, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.business.automation.run_models import Reason, ScheduledTask
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.billing.models import BudgetScope, SpendCounter
from app.business.billing.services import spend_counters
from app.business.billing.services.credit_service import CreditService
from app.business.billing.services.spend_counters import TOTAL, Budget


def start_left(session: Session, context: RunContext) -> int | None:
    """Credits that the run's start may still reserve; None where it has no total.

    Locks the account, as every hold does, so that the result is still valid when credits are reserved.
    """
    budget = context.start_budget
    if budget is None or budget.limit is None:
        return None
    CreditService().lock(session, context.account.id)
    return max(budget.limit - spend_counters.used(session, context.account.id, budget), 0)


def total_used(context: RunContext, needed: int, left: int) -> Stop:
    """The Stop of an attempt that costs more than its start may still spend: a person may allow more."""
    total = context.max_credits or 0
    sentence = f"It needs {needed:,} more credits; {left:,} of the {total:,} of this start are left. "
    return Stop(Reason.BUDGET, f"{sentence}Retry it to allow them.")


def bound_of(context: RunContext, limit: int, of_start: int | None) -> str:
    """Which limit applies: the run's own limit, of which `limit` is left, or the total of its start."""
    if of_start is not None and of_start < limit:
        return f"the {context.max_credits:,} credits of this start allow"
    return f"the limit of {context.definition.credit_limit_per_execution:,} credits per run allows"


def rooms(session: Session, run_ids: Collection[int]) -> dict[int, int]:
    """Run id -> credits that its start may still reserve; runs of starts without a total are left out."""
    rows = session.execute(_rooms(), {"run_ids": [*run_ids]})
    return {run_id: max(left or 0, 0) for run_id, left in rows}


@cache
def _rooms() -> Select[int, int | None]:
    """Kept: a second look at the table of runs takes long to put together."""
    first, counter = aliased(ScheduledTask), SpendCounter
    is_start = and_(
        counter.account_id == first.account_id,
        counter.scope == BudgetScope.START,
        counter.scope_id == first.id,
        counter.period == TOTAL,
    )
    used = func.coalesce(counter.spent + counter.held, 0)
    return (
        select(ScheduledTask.id, first.max_credits - used)
        .join(first, first.id == func.coalesce(ScheduledTask.start_id, ScheduledTask.id))
        .outerjoin(counter, is_start)
        .where(ScheduledTask.id.in_(bindparam("run_ids", expanding=True)), first.max_credits.is_not(None))
    )


def allow(session: Session, account_id: int, needs: Mapping[int, int]) -> None:
    """Raise the totals of these runs' starts by what the runs need beyond them, after a person has confirmed it."""
    CreditService().lock(session, account_id)
    query = select(ScheduledTask.id, ScheduledTask.start_id).where(ScheduledTask.id.in_(needs))
    left = rooms(session, needs)
    needed: Counter[int] = Counter()
    free: dict[int, int] = {}
    for run_id, start_id in session.execute(query):
        if run_id in left:
            needed[start_id or run_id] += needs[run_id]
            free[start_id or run_id] = left[run_id]
    for first_id, amount in sorted(needed.items()):
        _raise(session, first_id, max(amount - free[first_id], 0))


def bound(session: Session, account_id: int, amounts: Mapping[int, int]) -> None:
    """Raise the totals of these runs' starts by these amounts; starts without a total get one."""
    allow(session, account_id, amounts)
    run = ScheduledTask
    query = select(run.id, run.start_id).where(run.id.in_(amounts))
    more: Counter[int] = Counter()
    for run_id, start_id in session.execute(query):
        more[start_id or run_id] += amounts[run_id]
    unbound = select(run.id).where(run.id.in_(more), run.max_credits.is_(None)).order_by(run.id)
    for first_id in session.scalars(unbound).all():
        spent = spend_counters.begin(
            session, account_id, _budget(first_id), _runs_of_start(session, first_id)
        )
        session.get_one(ScheduledTask, first_id).max_credits = spent + more[first_id]
    session.flush()


def _budget(first_id: int) -> Budget:
    return Budget(BudgetScope.START, first_id, TOTAL, None)


def _runs_of_start(session: Session, first_id: int) -> Sequence[int]:
    run = ScheduledTask
    return session.scalars(select(run.id).where(or_(run.id == first_id, run.start_id == first_id))).all()


def _raise(session: Session, first_id: int, added: int) -> None:
    session.execute(
        update(ScheduledTask)
        .where(ScheduledTask.id == first_id, ScheduledTask.max_credits.is_not(None))
        .values(max_credits=ScheduledTask.max_credits + added)
        .execution_options(synchronize_session="fetch")
    )
