"""What is left of a start whose runs have ended, what it costs to do that too, and letting it go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.run_models import CLOSED, Cause, ScheduledTask, Status
from app.business.automation.services.preflight.start_price import price_of_records
from app.business.automation.services.rules.rule_definition import definition_from
from app.business.automation.services.rules.rule_versions import definition_of
from app.business.automation.services.runs.chain_work import ChainWork
from app.business.automation.services.runs.follow_up import Rest, hand_on, rest_of
from app.business.automation.services.runs.record_claims import is_selected
from app.business.automation.services.runs.run_context import RunContext, context_of_start, load_context
from app.business.automation.services.runs.run_price import WorkPrices
from app.business.automation.services.runs.run_steps import steps_over
from app.business.automation.services.runs.start_list import start_records
from app.business.automation.services.runs.start_total import allow
from app.business.errors import Conflict, Invalid


@dataclass(frozen=True)
class LeftOver:
    """what: `100 tasks` · runs, credits: what doing them comes to at most."""

    what: str
    runs: int
    credits: int


def left_over(session: Session, run: ScheduledTask, now: datetime) -> LeftOver | None:
    """What a person may let go on after this run; None where nothing is left, or a retry comes first."""
    if run.status not in CLOSED or run.status == Status.FAILED or run.promised is None:
        return None
    context = load_context(session, run, now)
    rest = rest_of(context)
    if not rest or context.rule.archived_at or (not run.remaining and not any(_later(rest))):
        return None
    try:
        runs, credits = _price(session, context, rest)
    except (Invalid, KeyError):
        return None
    return LeftOver(rest.in_words(context.rule.record_type), runs, credits)


def let_go_on(session: Session, run: ScheduledTask, credits: int, now: datetime) -> ScheduledTask:
    """Let what is left over follow, for `credits` at most beside what the start may spend. Raises Conflict."""
    # Only its own row: PostgreSQL locks nothing that is joined to it from outside.
    session.refresh(run, with_for_update={"key_share": True, "of": ScheduledTask})
    found = left_over(session, run, now)
    if found is None:
        raise Conflict("Nothing is left over by this run: it goes on already, or was done meanwhile.")
    allow(session, run.account_id, {run.id: min(credits, found.credits)})
    context = load_context(session, run, now)
    run.remaining = 0
    return hand_on(session, context, rest_of(context))


def _later(rest: Rest) -> Sequence[int]:
    return [record_id for item in rest.items if item["from_step"] for record_id in item["records"]]


def _price(session: Session, context: RunContext, rest: Rest) -> tuple[int, int]:
    """Runs and credits: of the start's own records as of a new start, of made ones from their step on."""
    own = [key for item in rest.items if not item["from_step"] for key in item["records"]]
    if rest.place.beyond:
        own += start_records(session, context.run)[rest.place.end :]
    runs = credits = 0
    if own:
        started = context_of_start(session, context.rule, Cause(context.run.cause), context.now)
        price = price_of_records(session, started, own, not is_selected(context))
        runs, credits = price.runs, price.credits_max
    definition = definition_from(definition_of(context.rule))
    steps = steps_over(definition.actions, definition.record_type)
    prices = WorkPrices(session, context.account.id, steps, definition.record_type, [])
    chain = ChainWork(definition, prices, most=True)
    for item in rest.items:
        if item["from_step"]:
            work = chain.following(item["from_step"], len(item["records"]))
            runs, credits = runs + work.runs, credits + work.credits
    return runs, credits
