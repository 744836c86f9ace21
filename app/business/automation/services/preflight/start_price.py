"""The price of a start before it is opened: runs, days and credits of its whole chain, and what other rules may
spend on its results. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.actions.registry import is_paid
from app.business.automation.services.preflight.rule_graph import RuleNode, Started, started_by
from app.business.automation.services.preflight.start_parts import StartPart, parts_of_start
from app.business.automation.services.rules.cost import ActionUse, uses_of_actions
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.versions import write
from app.business.automation.services.runs.chain_work import ChainWork, RunsAndCredits
from app.business.automation.services.runs.context import RunContext, context_of_start
from app.business.automation.services.runs.pricing import WorkPrices
from app.business.automation.services.runs.steps import steps_over
from app.business.automation.services.runs.windows import window_of
from app.business.outlets.services.ai_connections import is_connected


@dataclass(frozen=True)
class StartPrice:
    """credits: estimate · credits_max: upper bound · days: including today · runs_left: of today's limit · too_dear:
    matching records that cost more than a run may spend · sites: with runs of their own."""

    records: int
    runs: int
    days: int
    credits: int
    credits_max: int
    runs_left: int
    too_dear: int = 0
    sites: int = 1


@dataclass(frozen=True)
class ListenerPrice:
    """Upper bound of what a rule may spend on the events of a start."""

    rule_id: int | None
    name: str
    credits: int


def start_price(
    session: Session,
    rule: AutomationRule,
    now: datetime,
    *,
    record_ids: Sequence[int] | None = None,
    cause: Cause = Cause.MANUAL,
) -> StartPrice:
    """The price for the given records, or for all that match and may be taken. `rule` need not be saved."""
    parts = parts_of_start(session, rule, cause, now, record_ids)
    return price_of_parts(session, parts, record_ids is not None)


def price_of_parts(session: Session, parts: Sequence[StartPart], picked: bool) -> StartPrice:
    """The price of all parts together; each has its own daily limit."""
    prices = [price_of_records(session, part.context, part.matching, picked) for part in parts]
    return StartPrice(
        records=sum(price.records for price in prices),
        runs=sum(price.runs for price in prices),
        days=max(price.days for price in prices),
        credits=sum(price.credits for price in prices),
        credits_max=sum(price.credits_max for price in prices),
        runs_left=min(price.runs_left for price in prices),
        too_dear=sum(price.too_dear for price in prices),
        sites=len(parts),
    )


def price_of_records(session: Session, context: RunContext, ids: list[int], picked: bool) -> StartPrice:
    """The price for exactly these records. picked: named by a person, not selected by the rule's conditions."""
    definition, account_id = context.definition, context.account.id
    steps = steps_over(definition.actions, definition.record_type)
    prices = WorkPrices(session, account_id, steps, definition.record_type, ids)
    most = ChainWork(definition, prices, most=True)
    about = ChainWork(definition, prices, most=False)
    window = window_of(definition, picked=picked)
    fitting = most.affordable(ids)
    work = _work(most, fitting, window)
    credits = _work(about, fitting, window).credits
    if definition.mode == "shadow":
        work, credits = RunsAndCredits(work.runs, 0), 0
    return StartPrice(
        records=len(fitting),
        runs=work.runs,
        days=days_of(session, context, work.runs),
        credits=min(credits, work.credits),
        credits_max=work.credits,
        runs_left=_runs_left(session, context),
        too_dear=len(ids) - len(fitting),
    )


def price_of_one(session: Session, rule: AutomationRule, now: datetime, known: int) -> StartPrice:
    """The price of one hypothetical record that costs `known` credits, without the records created from it."""
    context = context_of_start(session, rule, Cause.MANUAL, now)
    definition = context.definition
    steps = steps_over(definition.actions, definition.record_type)
    prices = WorkPrices(session, context.account.id, steps, definition.record_type, [])
    most = ChainWork(definition, prices, most=True).costing(known)
    about = ChainWork(definition, prices, most=False).costing(known)
    return StartPrice(
        records=min(most.runs, 1),
        runs=most.runs,
        days=days_of(session, context, most.runs),
        credits=min(about.credits, most.credits),
        credits_max=most.credits,
        runs_left=_runs_left(session, context),
        too_dear=0 if most.runs else 1,
    )


def listener_prices(
    session: Session, account_id: int, definition: RuleDefinition, rule_id: int | None, records: int
) -> list[ListenerPrice]:
    """What active rules may spend that the start's events trigger, directly or through others; highest first."""
    sizes: dict[RuleNode, int] = {}
    connected = is_connected(session, account_id)
    prices = []
    for started in started_by(session, account_id, definition, rule_id):
        source = started.path[-1].source
        uses = uses_of_actions(source.definition, sizes.get(source, records), connected=connected, most=True)
        count = _record_count(started, uses, sizes.get(source, records))
        sizes[started.path[-1].target] = count
        if is_paid(started.definition.actions):
            amounts = {name: max(use.amounts[name] for use in uses) for name in uses[0].amounts}
            following = uses_of_actions(
                started.definition, count, connected=connected, most=True, amounts=amounts
            )
            spent = sum(use.credits for use in following)
            prices.append(ListenerPrice(started.rule_id, started.name, _within_budget(started, spent)))
    return sorted((price for price in prices if price.credits), key=lambda price: -price.credits)


def unsaved_rule(account_id: int, definition: RuleDefinition, rule_id: int | None = None) -> AutomationRule:
    """A rule that is still being edited, to compute its price. `rule_id`: of the saved rule that it changes."""
    rule = AutomationRule(id=rule_id, account_id=account_id)
    write(rule, definition)
    return rule


def _work(chain: ChainWork, ids: list[int], window: int) -> RunsAndCredits:
    return chain.of(ids, window) if chain.definition.record_type else chain.without_records()


def days_of(session: Session, context: RunContext, runs: int) -> int:
    """Days until that many runs may have run, including today."""
    left, limit = _runs_left(session, context), context.definition.max_executions_per_day
    return 0 if runs == 0 else 1 + -(-max(runs - left, 0) // limit)


def _runs_left(session: Session, context: RunContext) -> int:
    """Runs left within today's limit."""
    used = select(RuleDay.used).where(
        RuleDay.rule_id == context.rule.id,
        RuleDay.local_day == context.local_day,
        RuleDay.split_site_id == context.run.split_site_id,
    )
    return max(context.definition.max_executions_per_day - (session.scalar(used) or 0), 0)


def _record_count(started: Started, uses: list[ActionUse], records: int) -> int:
    """The number of records, or of run ends, that the rule receives from the one before it."""
    rule_event = started.path[-1].rule_event
    if rule_event.action is None:
        return records
    use = uses[rule_event.action]
    return use.units if rule_event.to else use.made


def _within_budget(started: Started, credits: int) -> int:
    budget = started.definition.monthly_budget
    return credits if budget is None else min(credits, budget)
