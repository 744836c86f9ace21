"""The records that a step works on, and which of its units are finished: from the run and its receipts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.base import Action, AnyAction
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids, made_by
from app.business.automation.services.catalogue.record_models import MODELS, PARENTS, known_ids
from app.business.automation.services.conditions.as_written import tree_of
from app.business.automation.services.conditions.nodes import Node
from app.business.automation.services.runs.context import RunContext
from app.business.automation.unit_models import ActionRun

IDS_IN_A_QUERY = 5_000
FINISHED = ("done", "left_out")
Source = Literal["explicit", "records", "parents", "made", "run"]


@dataclass(frozen=True)
class Step:
    """One action within a run, and the source of its records."""

    index: int
    action: Action
    entry: AnyAction
    source: Source
    record_type: str | None

    @cached_property
    def params(self) -> Any:
        """The action's parameters, typed."""
        return self.entry.read(self.action)

    @cached_property
    def when(self) -> Node | None:
        """The step's own condition on each record. Raises Invalid where a stored one is not valid any more."""
        when = self.action.when
        return tree_of(when, self.record_type) if when else None

    @property
    def known_at_start(self) -> bool:
        """Whether its records, and so its price, are known before the run begins."""
        return self.source != "made"


def steps_of(context: RunContext) -> list[Step]:
    """The run's steps in order; a follow-up begins at its first step."""
    run, known = context.run, context.parsed.steps
    key = run.record_type, run.from_step
    if key not in known:
        known[key] = _steps(context.definition.actions, context.definition.record_type, *key)
    steps: list[Step] = known[key]
    return steps


def _steps(
    actions: Sequence[Action], own_type: str | None, record_type: str | None, from_step: int
) -> list[Step]:
    if from_step:
        return steps_after(actions, own_type, record_type, from_step)
    return steps_over(actions, record_type)


def steps_after(
    actions: Sequence[Action], own_type: str | None, made_type: str | None, from_step: int
) -> list[Step]:
    """The steps of a follow-up over records created by earlier steps of a run over `own_type`.

    Steps on the rule's own records, their parents or named records were executed in that run.
    """
    later = {step.index for step in steps_over(actions, own_type) if step.source in ("made", "run")}
    steps = steps_over(actions, made_type, from_step)
    return [step for step in steps if step.index in later and step.source in ("records", "made", "run")]


def steps_over(actions: Sequence[Action], record_type: str | None, from_step: int = 0) -> list[Step]:
    """The steps of a run over records of that type."""
    steps: list[Step] = []
    made: list[str] = []
    for index, action in enumerate(actions):
        if index >= from_step:
            steps.append(_step(record_type, index, action, made))
            if made_type := made_by(action):
                made.append(made_type)
    return steps


def _step(record_type: str | None, index: int, action: Action, made: list[str]) -> Step:
    entry = CATALOGUE[action.type]
    needed = entry.needed or record_type
    return Step(index, action, entry, source_of(action, record_type, made), needed)


def source_of(action: Action, record_type: str | None, made: Collection[str]) -> Source:
    """The source of the action's records in a run over `record_type`; `made`: types that earlier steps create."""
    entry = CATALOGUE[action.type]
    needed = entry.needed or record_type
    if entry.unit_of == "run" or needed is None:
        return "run"
    if explicit_ids(action) is not None:
        return "explicit"
    if needed == record_type:
        return "records"
    return "made" if needed in made else "parents"


def input_ids(session: Session, context: RunContext, step: Step, records: list[int]) -> list[int]:
    """Ids of the step's input, in order, of this account only. `records` are the run's own."""
    match step.source:
        case "run":
            return [context.run.id]
        case "records":
            return records
        case "explicit":
            ids = explicit_ids(step.action) or []
            known = known_ids(session, step.record_type or "", ids, context.account.id)
            return [record_id for record_id in ids if record_id in known]
        case "made":
            return made_before(session, context, step)
        case "parents":
            parents = parents_of(session, context.run.record_type or "", step.record_type or "", records)
            return list(dict.fromkeys(parents.values()))


def made_before(session: Session, context: RunContext, step: Step) -> list[int]:
    """Records of the needed type created by the nearest earlier step of this run."""
    for index in range(step.index - 1, -1, -1):
        made = made_in(session, context.run.id, index).get(step.record_type or "", [])
        if made:
            return made
    return []


def made_in(session: Session, run_id: int, index: int) -> dict[str, list[int]]:
    """All records created by step `index` of a run: type -> ids."""
    made: dict[str, list[int]] = {}
    query = (
        select(ActionRun.made)
        .where(ActionRun.run_id == run_id, ActionRun.step == index)
        .order_by(ActionRun.id)
    )
    for part in session.scalars(query):
        for record_type, ids in part.items():
            made.setdefault(record_type, []).extend(ids)
    return made


def unit_states(session: Session, run_id: int, index: int) -> dict[tuple[str, int], str]:
    """Status of each receipt of the step, by record type and id."""
    query = select(ActionRun.record_type, ActionRun.record_id, ActionRun.status)
    rows = session.execute(query.where(ActionRun.run_id == run_id, ActionRun.step == index))
    return {(record_type, record_id): status for record_type, record_id, status in rows}


def finished_units(session: Session, run_id: int, index: int) -> set[tuple[str, int]]:
    """Type and id of finished units of the step.

    For units over many records (a sector's keywords, a notice), also the records that it need not include.
    """
    states = unit_states(session, run_id, index)
    return {unit for unit, status in states.items() if status in FINISHED}


def parents_of(session: Session, child: str, wanted: str, ids: Sequence[int]) -> dict[int, int]:
    """For each record that has one, in the order of `ids`: its ancestor of type `wanted`."""
    links = PARENTS.get(child, {})
    parent = wanted if wanted in links else next(iter(links), None)
    if parent is None:
        return {}
    model = MODELS[child]
    column = getattr(model, links[parent])
    found: dict[int, int] = {}
    for start in range(0, len(ids), IDS_IN_A_QUERY):
        rows = session.execute(
            select(model.id, column).where(model.id.in_(ids[start : start + IDS_IN_A_QUERY]))
        )
        found.update((record_id, parent_id) for record_id, parent_id in rows if parent_id is not None)
    nearest = {record_id: found[record_id] for record_id in ids if record_id in found}
    if parent == wanted:
        return nearest
    above = parents_of(session, parent, wanted, list(dict.fromkeys(nearest.values())))
    return {record_id: above[near] for record_id, near in nearest.items() if near in above}
