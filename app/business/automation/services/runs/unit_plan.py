"""The unfinished work of a step: its units without final receipt, and the records that its own condition excludes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.runs.context import RunContext, handed_on
from app.business.automation.services.runs.steps import FINISHED, Step, input_ids, unit_states
from app.business.automation.services.runs.unit_receipts import Unit, unit_key

States = Mapping[tuple[str, int], str]
"""Status of the step's receipts by record type and id."""


@dataclass(frozen=True)
class OpenUnits:
    """`units`: to be done · `skipped`: records of the step that its own condition (`when`) excludes."""

    units: list[Unit] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)


def open_units(
    session: Session, context: RunContext, step: Step, records: list[int], *, is_first: bool = False
) -> OpenUnits:
    """The units that another attempt would do in this step. `records` are the run's own; is_first: none is begun."""
    states: States = {} if is_first else unit_states(session, context.run.id, step.index)
    finished = {unit for unit, status in states.items() if status in FINISHED}
    if step.source == "run":
        return OpenUnits(_of_run(context, step, records, states))
    record_type = step.record_type or ""
    ids = input_ids(session, context, step, records)
    ids = [record_id for record_id in ids if (record_type, record_id) not in finished]
    if step.source == "made":
        elsewhere = handed_on(context)
        ids = [record_id for record_id in ids if (step.index, record_id) not in elsewhere]
    if step.entry.unit_of == "sector":
        return _of_sectors(session, context, step, ids, states)
    # Begun units are finished without checking the condition again: the work itself may have changed its result.
    begun = {record_id for record_id in ids if (record_type, record_id) in states}
    wanted = wanted_ids(session, context, step, ids, begun)
    units = [_unit(context, step, record_type, key, (key,), states) for key in wanted]
    return OpenUnits(units, _without(ids, wanted))


def _of_run(context: RunContext, step: Step, records: list[int], states: States) -> list[Unit]:
    """One unit for all records, except those that an earlier run did it for; none if that was all."""
    record_type = context.run.record_type or ""
    finished = {unit for unit, status in states.items() if status in FINISHED}
    ids = [record_id for record_id in records if (record_type, record_id) not in finished]
    if ("run", context.run.id) in finished or (records and not ids):
        return []
    return [_unit(context, step, "run", context.run.id, tuple(ids), states)]


def _of_sectors(
    session: Session, context: RunContext, step: Step, ids: list[int], states: States
) -> OpenUnits:
    model = MODELS[step.record_type or ""]
    sectors: dict[int, list[int]] = {}
    query = select(model.id, model.sector_id).where(model.id.in_(ids)).order_by(model.sector_id, model.id)
    for record_id, sector_id in session.execute(query):
        if states.get(("sector", sector_id)) not in FINISHED:
            sectors.setdefault(sector_id, []).append(record_id)
    ids = [record_id for record_ids in sectors.values() for record_id in record_ids]
    begun = {key for sector_id, keys in sectors.items() if ("sector", sector_id) in states for key in keys}
    wanted = set(wanted_ids(session, context, step, ids, begun))
    units = []
    for sector_id, record_ids in sectors.items():
        if taken := tuple(record_id for record_id in record_ids if record_id in wanted):
            units.append(_unit(context, step, "sector", sector_id, taken, states))
    return OpenUnits(units, _without(ids, wanted))


def _unit(
    context: RunContext, step: Step, record_type: str, key: int, ids: tuple[int, ...], states: States
) -> Unit:
    is_new = (record_type, key) not in states
    return Unit(step, record_type, key, ids, unit_key(context.run.id, step.index, key), is_new)


def _without(ids: Sequence[int], wanted: Collection[int]) -> list[int]:
    known = set(wanted)
    return [record_id for record_id in ids if record_id not in known]


def wanted_ids(
    session: Session,
    context: RunContext,
    step: Step,
    ids: list[int],
    begun: Collection[int] = (),
) -> list[int]:
    """Those of `ids` that the step's own condition does not exclude."""
    node = step.when
    if node is None or not ids:
        return ids
    facts = load_facts(
        session,
        step.record_type,
        [record_id for record_id in ids if record_id not in begun],
        scope=context.scope,
        now=context.now,
        zone=context.zone,
        rule_id=context.rule.id,
        conditions=[node],
    )
    evaluate = ConditionEvaluator().evaluate
    return [key for key in ids if key in begun or (key in facts and evaluate(node, facts[key]))]
