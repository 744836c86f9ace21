"""Opening a start: its records are fixed at the call, and its total is what it may cost at most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.preflight.start_price import StartPrice, price_of_records
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.record_choice import matching_ids, matching_of
from app.business.automation.services.runs.run_context import RunContext, context_of_start
from app.business.automation.services.runs.start_list import NO_LIST, Stretch
from app.business.automation.services.runs.windows import window_of


@dataclass(frozen=True)
class Start:
    """A start that is thought of: the records it promises to work on, and what that comes to.

    offered: those it was given or found · price: of those that match now.
    """

    context: RunContext
    offered: list[int] | None
    picked: bool
    price: StartPrice


def plan_start(
    session: Session, rule: AutomationRule, cause: Cause, now: datetime, record_ids: Sequence[int] | None
) -> Start:
    """What starting the rule now would do: on these records, or on all that match and that it may take."""
    context = context_of_start(session, rule, cause, now)
    picked = record_ids is not None
    if context.definition.record_type is None:
        return Start(context, None, picked, price_of_records(session, context, [], picked))
    if record_ids is None:
        offered = matching = matching_ids(session, context)
    else:
        offered = list(dict.fromkeys(record_ids))
        matching = matching_of(session, context, offered)
    return Start(context, offered, picked, price_of_records(session, context, matching, picked))


def open_start(
    session: Session, rule: AutomationRule, start: Start, opening: Opening, max_credits: int | None
) -> ScheduledTask:
    """Open its first run. Without `max_credits` it may spend its price at most."""
    total = start.price.credits_max if max_credits is None else max_credits
    opening = replace(opening, max_credits=None if rule.mode == "shadow" else total)
    if not start.offered:
        # Nothing is there to promise: the run looks once more when it begins, and says why it finds nothing.
        return open_run(session, rule, opening)
    size = window_of(start.context.definition, picked=start.picked)
    count = len(start.offered)
    place = Stretch(0, size, count) if count > size else NO_LIST
    selected = {} if start.picked else {"selected": True}
    return open_run(
        session,
        rule,
        replace(
            opening,
            records=start.offered[:size],
            start_records=start.offered if count > size else None,
            promised=count,
            options=opening.options | selected | place.as_option(),
        ),
    )
