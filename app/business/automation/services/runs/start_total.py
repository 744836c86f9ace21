"""The total of a start: one counter over its runs and retries, raised by each hold and lowered by each release."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, ScheduledTask
from app.business.automation.services.runs.run_context import RunContext
from app.business.automation.services.runs.run_stop import Stop
from app.business.automation.services.runs.start_list import start_of
from app.business.billing.services import spend_counters
from app.business.billing.services.credit_service import CreditService


def start_left(session: Session, context: RunContext) -> int | None:
    """Credits that the run's start may still set aside; None where it has no total.

    The account is locked from here on, as by every hold, so that the figure is still true when credits are set aside.
    """
    budget = context.start_budget
    if budget is None or budget.limit is None:
        return None
    CreditService().lock(session, context.account.id)
    return max(budget.limit - spend_counters.used(session, context.account.id, budget), 0)


def total_used(context: RunContext, needed: int, left: int) -> Stop:
    """The attempt costs more than the start may still spend: a person may allow it more."""
    total = context.max_credits or 0
    sentence = f"It needs {needed:,} more credits; {left:,} of the {total:,} of this start are left. "
    return Stop(Reason.BUDGET, f"{sentence}Retry it to allow them.")


def bound_of(context: RunContext, limit: int, of_start: int | None) -> str:
    """What allows no more: the run's own limit, of which `limit` is left, or the total of its start."""
    if of_start is not None and of_start < limit:
        return f"the {context.max_credits:,} credits of this start allow"
    return f"the limit of {context.definition.credit_limit_per_execution:,} credits per run allows"


def raise_total(session: Session, run: ScheduledTask, added: int) -> None:
    """Let the run's start spend `added` credits more; a start without a total has none to raise."""
    session.execute(
        update(ScheduledTask)
        .where(ScheduledTask.id == start_of(run), ScheduledTask.max_credits.is_not(None))
        .values(max_credits=ScheduledTask.max_credits + added)
        .execution_options(synchronize_session=False)
    )
