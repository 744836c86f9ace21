"""What another attempt of failed runs keeps and may cost, for many runs at once.

At most 15 queries for up to 500 runs, whatever their number of records (and one more for each further 10,000 records of
a type). The prices are those with which the engine holds credits: runs/pricing, runs/steps.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from sqlalchemy import bindparam, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import RunDetail, ScheduledTask
from app.business.automation.services.catalogue.actions.base import Measure
from app.business.automation.services.catalogue.actions.registry import explicit_ids, made_by
from app.business.automation.services.catalogue.record_models import MODELS, PARENTS
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.runs.context import RunContext, handed_on
from app.business.automation.services.runs.pricing import StepPrice
from app.business.automation.services.runs.start_total import rooms
from app.business.automation.services.runs.steps import FINISHED, Step, steps_of
from app.business.automation.unit_models import ActionRun
from app.business.errors import Invalid
from app.business.outlets.services.ai_connections import is_connected

MOST_RUNS = 500
"""Runs of one call."""
T = TypeVar("T")


IDS_IN_A_QUERY = 10_000
CHILDREN_FIRST = ("content", "task", "idea", "keyword")


@dataclass(frozen=True)
class RetryPrice:
    """`finished`: units that are kept · `most`: upper bound of the attempt's credits, within the run's limit ·
    `adds`: credits beyond the total of its start · `needs`: credits of known work; records still to be created
    are covered by the total · `left`: what its start may still spend; None without a total."""

    finished: int
    most: int
    adds: int = 0
    needs: int = field(default=0, compare=False)
    left: int | None = field(default=None, compare=False)


def retry_prices(
    session: Session, account: Account, runs: Sequence[ScheduledTask], now: datetime
) -> dict[int, RetryPrice | None]:
    """By run id; None where the run's rule version is not valid any more. At most 500 runs of the account."""
    return prices_within(session, account, contexts_of(session, account, runs, now))


def prices_within(
    session: Session, account: Account, contexts: Mapping[int, RunContext]
) -> dict[int, RetryPrice | None]:
    """Like `retry_prices`, for runs whose contexts are loaded."""
    known, left = _Known(session, account.id, contexts), rooms(session, list(contexts))
    prices = {run_id: _price(known, context) for run_id, context in contexts.items()}
    return {
        run_id: _within_total(price, left[run_id]) if price and run_id in left else price
        for run_id, price in prices.items()
    }


def _within_total(price: RetryPrice, left: int) -> RetryPrice:
    adds = max(price.needs - left, 0)
    return replace(price, most=min(price.most, left + adds), adds=adds, left=left)


def _price(known: "_Known", context: RunContext) -> RetryPrice | None:
    try:
        if context.run.admitted_at is None:
            # Its gates have not passed yet, and they parse these first.
            parse_conditions(context.definition.conditions, record_type=context.definition.subject)
        most, needs = _most(known, context)
        return RetryPrice(known.finished[context.run.id], most, needs=needs)
    except (Invalid, KeyError):
        return None


def _most(known: "_Known", context: RunContext) -> tuple[int, int]:
    """The price of all unfinished units (if it depends on records still to be created, the rest of the limit), and
    the known part of it."""
    left = max(context.definition.credit_limit_per_execution - context.run.credits_used, 0)
    to_come: set[str | None] = set()
    total = 0
    for step in steps_of(context):
        rest = None if step.source == "made" and step.record_type in to_come else known.rest(context, step)
        if rest is None or rest:
            to_come.add(made_by(step.action))
        if not step.entry.is_paid:
            continue
        if rest is None:
            return left, min(total, left)
        connected = not step.entry.by_connection or known.connected
        total += StepPrice(step, known.measures.get(step.entry.key, {}), connected).amount(rest)
    return min(total, left), min(total, left)


@dataclass
class _Receipts:
    """What one step of a run has finished and created."""

    finished: set[tuple[str, int]] = field(default_factory=set)
    made: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


class _Known:
    """All data that the units of these runs depend on, loaded together."""

    def __init__(self, session: Session, account_id: int, contexts: Mapping[int, RunContext]) -> None:
        self.session, self.account_id = session, account_id
        self.finished: dict[int, int] = defaultdict(int)
        self.receipts: dict[tuple[int, int], _Receipts] = defaultdict(_Receipts)
        self._read_receipts(contexts)
        steps = [(context, step) for context in contexts.values() for step in _readable_steps(context)]
        self.parents = self._read_parents(steps)
        self.existing = self._read_existing(steps)
        measured = {step.entry.key: step.entry.measure for _, step in steps if step.entry.measure}
        self.measures: dict[str, dict[int, int]] = {
            key: self._read_measure(key, measure, steps) for key, measure in measured.items()
        }

    @cached_property
    def connected(self) -> bool:
        return is_connected(self.session, self.account_id)

    def rest(self, context: RunContext, step: Step) -> list[int] | None:
        """The step's unfinished units, by record; None where its records are not selected yet."""
        ids = self._inputs(context, step)
        if ids is None:
            return None
        done = self.receipts[context.run.id, step.index].finished
        if step.source == "run":
            return [] if ("run", context.run.id) in done else ids
        ids = [key for key in ids if (step.record_type, key) not in done]
        if step.entry.unit_of == "sector":
            sectors = self.measures[step.entry.key]
            return [key for key in ids if ("sector", sectors.get(key)) not in done]
        elsewhere = handed_on(context) if step.source == "made" else set()
        return [key for key in ids if (step.index, key) not in elsewhere]

    def _inputs(self, context: RunContext, step: Step) -> list[int] | None:
        match step.source:
            case "run":
                return [context.run.id]
            case "explicit":
                existing = self.existing[step.record_type or ""]
                return [key for key in explicit_ids(step.action) or [] if key in existing]
            case "made":
                return self._made_before(context.run.id, step)
            case "records":
                return context.detail.records
            case "parents":
                records = context.detail.records
                return None if records is None else self._ancestors(context, step, records)

    def _made_before(self, run_id: int, step: Step) -> list[int]:
        for index in range(step.index - 1, -1, -1):
            made = self.receipts[run_id, index].made.get(step.record_type or "")
            if made:
                return made
        return []

    def _ancestors(self, context: RunContext, step: Step, ids: Iterable[int]) -> list[int]:
        child: str | None = context.run.record_type
        while child and child != step.record_type:
            found = self.parents.get(child, {})
            ids = dict.fromkeys(found[key] for key in ids if found.get(key) is not None)
            child = next(iter(PARENTS.get(child, {})), None)
        return list(ids)

    def _read_receipts(self, contexts: Mapping[int, RunContext]) -> None:
        for row in self.session.execute(_UNITS, {"run_ids": [*contexts]}):
            receipts = self.receipts[row.run_id, row.step]
            if row.status in FINISHED:
                receipts.finished.add((row.record_type, row.record_id))
            self.finished[row.run_id] += row.status == "done"
            for record_type, ids in row.made.items():
                receipts.made[record_type] += ids

    def _read_parents(self, steps: "_Steps") -> dict[str, dict[int, int]]:
        """By child type: child -> parent, from the runs' own records upward."""
        wanted: dict[str, set[int]] = defaultdict(set)
        for context, step in steps:
            if step.source == "parents":
                wanted[context.run.record_type or ""].update(context.detail.records or ())
        parents: dict[str, dict[int, int]] = {}
        for child in CHILDREN_FIRST:
            if wanted[child]:
                parent, column = next(iter(PARENTS[child].items()))
                model = MODELS[child]
                parents[child] = self._read(model.id, getattr(model, column), wanted[child])
                wanted[parent].update(key for key in parents[child].values() if key is not None)
        return parents

    def _read_existing(self, steps: "_Steps") -> dict[str, set[int]]:
        wanted: dict[str, set[int]] = defaultdict(set)
        for _, step in steps:
            if step.source == "explicit":
                wanted[step.record_type or ""].update(explicit_ids(step.action) or ())
        return {
            type: set(self._read(MODELS[type].id, MODELS[type].account_id, ids, self.account_id))
            for type, ids in wanted.items()
        }

    def _read_measure(self, key: str, measure: Measure, steps: "_Steps") -> dict[int, int]:
        wanted: set[int] = set()
        for context, step in steps:
            if step.entry.key == key:
                wanted.update(self._inputs(context, step) or ())
        return self._read(measure.key, measure.column, wanted)

    def _read(
        self,
        key: InstrumentedAttribute[int],
        value: InstrumentedAttribute[T],
        wanted: Iterable[int],
        only: T | None = None,
    ) -> dict[int, T]:
        ids, found = list(wanted), dict[int, T]()
        for start in range(0, len(ids), IDS_IN_A_QUERY):
            query = select(key, value).where(key.in_(ids[start : start + IDS_IN_A_QUERY]))
            found.update(self.session.execute(query if only is None else query.where(value == only)).all())
        return found


_Steps = Sequence[tuple[RunContext, Step]]


def _readable_steps(context: RunContext) -> list[Step]:
    try:
        return steps_of(context)
    except KeyError:
        return []


def contexts_of(
    session: Session, account: Account, runs: Sequence[ScheduledTask], now: datetime
) -> dict[int, RunContext]:
    """What the engine would load for each run, without its site."""
    pairs = {(run.automation_rule_id, run.rule_version) for run in runs}
    versions = session.execute(_VERSIONS, {"pairs": [*pairs]})
    definitions = {(rule_id, version): definition_from(stored) for rule_id, version, stored in versions}
    rules = session.scalars(_RULES, {"rule_ids": [*{rule_id for rule_id, _ in pairs}]})
    by_id = {rule.id: rule for rule in rules}
    details = _details(session, runs)
    return {
        run.id: RunContext(
            run=run,
            detail=details[run.id],
            rule=by_id[run.automation_rule_id],
            definition=definitions[run.automation_rule_id, run.rule_version],
            account=account,
            site=None,
            now=now,
        )
        for run in runs
    }


def _details(session: Session, runs: Sequence[ScheduledTask]) -> dict[int, RunDetail]:
    """By run id; those that came with their runs are not read again."""
    loaded = {run.id: run.detail for run in runs if "detail" not in inspect(run).unloaded}
    missing = [run.id for run in runs if run.id not in loaded]
    found = session.scalars(_DETAILS, {"run_ids": missing}) if missing else ()
    return loaded | {detail.run_id: detail for detail in found}


_UNITS = (
    select(
        ActionRun.run_id,
        ActionRun.step,
        ActionRun.record_type,
        ActionRun.record_id,
        ActionRun.status,
        ActionRun.made,
    )
    .where(ActionRun.run_id.in_(bindparam("run_ids", expanding=True)))
    .order_by(ActionRun.id)
)
_VERSIONS = select(RuleVersion.rule_id, RuleVersion.version, RuleVersion.definition).where(
    tuple_(RuleVersion.rule_id, RuleVersion.version).in_(bindparam("pairs", expanding=True))
)
_RULES = select(AutomationRule).where(AutomationRule.id.in_(bindparam("rule_ids", expanding=True)))
_DETAILS = select(RunDetail).where(RunDetail.run_id.in_(bindparam("run_ids", expanding=True)))
