"""Work left over by a start whose runs have ended: its price, and continuing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.run_models import CLOSED, ScheduledTask, Status
from app.business.automation.services.preflight.chain_prices import price_of_rest
from app.business.automation.services.runs.context import load_context
from app.business.automation.services.runs.follow_up_runs import Rest, hand_on, rest_of
from app.business.automation.services.runs.start_total import bound
from app.business.errors import Conflict, Forbidden, Invalid


@dataclass(frozen=True)
class LeftOverWork:
    """what: `100 tasks` · runs, days, credits: upper bounds for doing it."""

    what: str
    runs: int
    days: int
    credits: int


def left_over(session: Session, run: ScheduledTask, now: datetime) -> LeftOverWork | None:
    """What a person may continue after this run; None where nothing is left, or where the run should be retried
    first."""
    if run.status not in CLOSED or run.status == Status.FAILED or run.promised is None:
        return None
    context = load_context(session, run, now)
    rest = rest_of(context)
    if not rest or context.rule.archived_at or (not run.remaining and not any(_later(rest))):
        return None
    try:
        prices = price_of_rest(session, context, rest)
    except (Invalid, KeyError):
        return None
    words, work = rest.in_words(context.rule.record_type), prices.total
    return LeftOverWork(words, work.runs, prices.days, work.credits)


def continue_left_over(
    session: Session, run: ScheduledTask, credits: int | None, now: datetime, *, limit: int | None = None
) -> ScheduledTask:
    """Start the work left over with at most `credits` in addition to the start's own limit; by default its price.

    `limit`: the most credits this person may start. Raises Conflict, and Forbidden above the limit.
    """
    # Locks its own row only: PostgreSQL cannot lock the nullable side of an outer join.
    session.refresh(run, with_for_update={"key_share": True, "of": ScheduledTask})
    found = left_over(session, run, now)
    if found is None:
        raise Conflict("Nothing is left over by this run: it goes on already, or was done meanwhile.")
    most = found.credits if credits is None else min(credits, found.credits)
    if limit is not None and most > limit:
        raise Forbidden(
            f"Going on may cost up to {most:,} credits; operators may start up to {limit:,}. Ask an editor to go on."
        )
    bound(session, run.account_id, {run.id: most})
    context = load_context(session, run, now)
    run.remaining = 0
    return hand_on(session, context, rest_of(context))


def _later(rest: Rest) -> Sequence[int]:
    return [record_id for item in rest.items if item["from_step"] for record_id in item["records"]]
