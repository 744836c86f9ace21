"""The price of work that is already promised: runs that wait for review, and work left over by an ended run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_documents import PendingWork
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask
from app.business.automation.services.preflight.start_price import days_of, price_of_records
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.chain_work import ChainWork, RunsAndCredits
from app.business.automation.services.runs.context import RunContext, context_of_start, load_context
from app.business.automation.services.runs.follow_up_runs import Rest, rest_of
from app.business.automation.services.runs.pricing import WorkPrices
from app.business.automation.services.runs.record_claims import is_selected
from app.business.automation.services.runs.record_selection import matching_of
from app.business.automation.services.runs.start_list import start_records
from app.business.automation.services.runs.steps import steps_over
from app.business.planner.models import Site


@dataclass(frozen=True)
class ChainPrices:
    """by_run: runs and credits of each run with its follow-ups · days: until the last of them may run."""

    by_run: Mapping[int, RunsAndCredits]
    days: int

    @property
    def total(self) -> RunsAndCredits:
        return sum(self.by_run.values(), RunsAndCredits())


def price_of_rest(session: Session, context: RunContext, rest: Rest) -> ChainPrices:
    """The price of work left over by an ended run: its follow-ups use the present version of the rule."""
    if not rest:
        return ChainPrices({}, 0)
    definition = read_definition(context.rule)
    started = _like(session, context, definition)
    picked = not is_selected(context)
    work = _own_work(session, started, _own_records(session, context, rest), picked)
    work += _later_work(session, started, rest.items)
    return ChainPrices({context.run.id: work}, days_of(session, started, work.runs))


def price_of_made(session: Session, context: RunContext) -> int:
    """Upper bound of the credits of a run over its records from its first unit on, if later steps work on created
    records; else 0."""
    steps = steps_over(context.definition.actions, context.run.record_type, context.run.from_step)
    if all(step.known_at_start or not step.entry.is_paid for step in steps):
        return 0
    records = list(context.detail.records or ())
    walk = _walk(session, context, records)
    if first := context.run.from_step:
        return walk.following(first, len(records)).credits
    return walk.of(walk.affordable(records), len(records) or 1).credits


def price_of_waiting(session: Session, runs: Sequence[ScheduledTask], now: datetime) -> ChainPrices:
    """The price of runs over named records that have not begun: each uses its own version of its rule."""
    groups: dict[tuple[int, int, int], list[ScheduledTask]] = defaultdict(list)
    for run in runs:
        groups[run.automation_rule_id, run.rule_version, run.split_site_id].append(run)
    by_run: dict[int, RunsAndCredits] = {}
    days = 0
    for same in groups.values():
        context = load_context(session, same[0], now)
        found = _of_group(session, context, same)
        by_run |= found
        days = max(days, days_of(session, context, sum(work.runs for work in found.values())))
    return ChainPrices(by_run, days)


def _of_group(
    session: Session, context: RunContext, runs: Sequence[ScheduledTask]
) -> dict[int, RunsAndCredits]:
    """Prices of runs of one rule version; what the prices depend on is read once for all of them."""
    started = _like(session, context, context.definition)
    ids = [run.id for run in runs]
    details = session.scalars(select(RunDetail).where(RunDetail.run_id.in_(ids)))
    by_run = {detail.run_id: detail for detail in details}
    found: dict[int, RunsAndCredits] = {}
    own: dict[int, list[int]] = {}
    for run in runs:
        mine = replace(context, run=run, detail=by_run[run.id])
        rest = rest_of(mine)
        own[run.id] = _own_records(session, mine, rest)
        found[run.id] = _later_work(session, started, rest.items)
    if context.definition.record_type is None:
        return dict.fromkeys(ids, _own_work(session, started, [], picked=True))
    offered = list(dict.fromkeys(record_id for records in own.values() for record_id in records))
    matching = set(matching_of(session, started, offered))
    walk = _walk(session, started, sorted(matching))
    for run_id, records in own.items():
        fitting = walk.affordable([record_id for record_id in records if record_id in matching])
        found[run_id] += _in_its_mode(started, walk.of(fitting, len(records)))
    return found


def _like(session: Session, context: RunContext, definition: RuleDefinition) -> RunContext:
    """The context of a hypothetical start with the run's cause and site."""
    run = context.run
    site = session.get(Site, run.split_site_id) if run.split_site_id else None
    started = context_of_start(session, context.rule, Cause(run.cause), context.now, site)
    return replace(started, definition=definition)


def _own_records(session: Session, context: RunContext, rest: Rest) -> list[int]:
    """Records of the start that the remaining work begins with."""
    own = [key for item in rest.items if not item["from_step"] for key in item["records"]]
    if rest.place.beyond:
        own += start_records(session, context.run)[rest.place.end : rest.place.total]
    return own


def _own_work(session: Session, started: RunContext, own: list[int], picked: bool) -> RunsAndCredits:
    if not own and started.definition.record_type:
        return RunsAndCredits()
    price = price_of_records(session, started, own, picked)
    return RunsAndCredits(price.runs, price.credits_max)


def _later_work(session: Session, started: RunContext, items: Sequence[PendingWork]) -> RunsAndCredits:
    """Work on records that earlier steps have created, each from its step on."""
    later = [item for item in items if item["from_step"]]
    if not later:
        return RunsAndCredits()
    walk = _walk(session, started, [])
    works = (walk.following(item["from_step"], len(item["records"])) for item in later)
    return _in_its_mode(started, sum(works, RunsAndCredits()))


def _in_its_mode(started: RunContext, work: RunsAndCredits) -> RunsAndCredits:
    """Practice mode costs nothing."""
    return replace(work, credits=0) if started.definition.mode == "shadow" else work


def _walk(session: Session, started: RunContext, ids: list[int]) -> ChainWork:
    definition = started.definition
    steps = steps_over(definition.actions, definition.record_type)
    prices = WorkPrices(session, started.account.id, steps, definition.record_type, ids)
    return ChainWork(definition, prices, most=True)
