"""Continues work that waits for a person: a long chain of runs, or work left over by an ended run."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask, Waiting
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.preflight import chain_release
from app.business.automation.services.preflight.left_over_work import (
    LeftOverWork,
    continue_left_over,
    left_over,
)
from app.business.errors import Forbidden


def offered(session: Session, run: ScheduledTask, scope: Scope, now: datetime) -> LeftOverWork | None:
    """The work that `go_on` would start; None where nothing waits for a person."""
    review = chain_release.review_of(session, run, now, scope=scope)
    if review is None:
        return left_over(session, run, now)
    waiting = f"{review.waiting:,} waiting run{'' if review.waiting == 1 else 's'}"
    return LeftOverWork(waiting, review.runs, review.days, review.credits)


def go_on(
    session: Session, run: ScheduledTask, actor: Actor, credits: int | None, now: datetime
) -> ScheduledTask:
    """Continue it; returns the run that does.

    `credits`: its limit, as shown; by default the present price. Raises Conflict, and Forbidden where the person may
    not decide it.
    """
    decides = actor.role.allows(Role.EDITOR)
    if run.waiting_for != Waiting.REVIEW:
        limit = session.get_one(Account, run.account_id).operator_credit_limit
        return continue_left_over(session, run, credits, now, limit=None if decides else limit)
    if not decides:
        raise Forbidden("A long chain of runs waits here. Ask an editor to let it go on.")
    chain_release.go_on(session, run, now, credits, scope=actor.scope(run.account_id))
    return run
