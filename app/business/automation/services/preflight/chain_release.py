"""Continuing a long chain of runs that waits for review, at the price that was shown."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.preflight.chain_prices import price_of_waiting
from app.business.automation.services.runs.chain_review import waiting_for_review, wake
from app.business.automation.services.runs.start_total import bound
from app.business.errors import Conflict


@dataclass(frozen=True)
class Review:
    """What a person decides on.

    waiting: number of waiting runs of the chain · runs, days, credits: upper bounds for them and everything that
    follows.
    """

    waiting: int
    runs: int
    days: int
    credits: int


def review_of(
    session: Session, run: ScheduledTask, now: datetime, *, scope: Scope | None = None
) -> Review | None:
    """The decision this run waits for, about the runs in scope; None when it does not wait for review."""
    waiting = _waiting(session, run, scope)
    if not waiting:
        return None
    prices = price_of_waiting(session, waiting, now)
    return Review(len(waiting), prices.total.runs, prices.days, prices.total.credits)


def go_on(
    session: Session,
    run: ScheduledTask,
    now: datetime,
    credits: int | None = None,
    *,
    scope: Scope | None = None,
) -> int:
    """Continue the waiting runs of its chain that are in scope, each with its follow-ups limited to its price.

    Returns their number.

    `credits`: the total that was shown. Raises Conflict where the price is higher now.
    """
    waiting = _waiting(session, run, scope)
    if not waiting:
        raise Conflict("This run does not wait for a person.")
    prices = price_of_waiting(session, waiting, now)
    if credits is not None and prices.total.credits > credits:
        raise Conflict(
            f"They may cost up to {prices.total.credits:,} credits by now, more than the {credits:,} that were named. "
            "Look at what waits once more, then let it go on."
        )
    bound(session, run.account_id, {run_id: work.credits for run_id, work in prices.by_run.items()})
    wake(session, [other.id for other in waiting])
    return len(waiting)


def _waiting(session: Session, run: ScheduledTask, scope: Scope | None) -> list[ScheduledTask]:
    scope = scope or Scope(run.account_id)
    return [other for other in waiting_for_review(session, run) if scope.holds(other.site_id)]
