"""Selects the records of a run: those in scope that match and that the rule may take, in the rule's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.catalogue.record_order import OLDEST, order_clauses
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.rules.definition import RuleDefinition, input_type
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.record_claims import (
    begun_before,
    held_elsewhere,
    is_selected,
    not_handled,
)
from app.business.automation.services.runs.start_list import NO_LIST, ListSpan, start_records, stretch_of
from app.business.automation.services.runs.windows import window_of
from app.business.planner.models import Record
from app.business.row_sets import among

CHUNK = 5000


@dataclass
class Choice:
    """The records to take, the number that match, and the number offered (given ids).

    held: matching ones that another run of the rule holds, included in `matched` · window: the given ids considered
    last · place: the span of the start's list at the end of the window.
    """

    ids: list[int] = field(default_factory=list)
    matched: int = 0
    offered: int | None = None
    held: list[int] = field(default_factory=list)
    window: list[int] = field(default_factory=list)
    place: ListSpan = NO_LIST

    @property
    def free(self) -> int:
        """The number of matching records that no other run holds."""
        return self.matched - len(self.held)


def choose_records(session: Session, context: RunContext) -> Choice:
    """The run's records that match now: among the given ids, or by selection."""
    given = context.detail.records
    if given is not None:
        return _of_list(session, context, _of_given(session, context, given))
    limit = context.definition.record_limit or CHUNK
    model = MODELS[context.definition.record_type or ""]
    held = model.id.in_(held_elsewhere(context))
    ids = _matching(session, context, ~held, limit)
    if len(ids) == limit:
        # Enough without records that other runs hold.
        return Choice(ids, _count(session, model, and_(_may_take(session, context), ~held)))
    of_others = _matching(session, context, held, limit)
    return Choice(ids, len(ids) + len(of_others), held=of_others)


def matching_ids(session: Session, context: RunContext) -> list[int]:
    """Records that match and that the rule may take, in the order of its runs.

    Including those that another run holds: a start waits for them.
    """
    return _matching(session, context, true())


def _matching(
    session: Session, context: RunContext, clause: ColumnElement[bool], limit: int | None = None
) -> list[int]:
    model = MODELS[context.definition.record_type or ""]
    query = select(model.id).where(_may_take(session, context), clause)
    return list(session.scalars(query.order_by(*_order(context)).limit(limit)))


def matching_of(session: Session, context: RunContext, given: Sequence[int]) -> list[int]:
    """Those of `given`, picked by a person, that a run would work on now, or after another run releases them."""
    context.detail.records = list(given)
    choice = _of_given(session, context, given)
    return [*choice.ids, *choice.held]


def _is_held(context: RunContext, model: type[Record]) -> ColumnElement[bool]:
    return held_elsewhere(context).where(RuleRecord.record_id == model.id).exists()


def _of_given(session: Session, context: RunContext, given: Sequence[int]) -> Choice:
    model = MODELS[context.run.record_type or ""]
    # A follow-up from a later step works on created records, which the rule's conditions do not apply to.
    clause = (
        in_scope(model, context.account.id, None, None)
        if context.run.from_step
        else _may_take(session, context)
    )
    found: list[Row[int, bool]] = []
    order = () if context.run.from_step else _order(context)
    for start in range(0, len(given), CHUNK):
        chunk = list(given[start : start + CHUNK])
        query = select(model.id, _is_held(context, model)).where(clause, among(session, model.id, chunk))
        found += session.execute(query.order_by(*order)).all()
    return _choice_of(context, given, found)


def _choice_of(context: RunContext, given: Sequence[int], rows: Sequence[Row[int, bool]]) -> Choice:
    """rows: found records in the rule's order, and whether another run holds them; those not given are left out."""
    places = {record_id: place for place, record_id in enumerate(given)}
    found = [record_id for record_id, _ in rows if record_id in places]
    held = {record_id for record_id, is_held in rows if is_held}
    if context.run.from_step or context.definition.order == OLDEST or is_selected(context):
        found.sort(key=lambda record_id: places[record_id])
    return Choice(
        ids=[record_id for record_id in found if record_id not in held],
        matched=len(found),
        offered=len(given),
        held=[record_id for record_id in found if record_id in held],
        window=list(given),
        place=stretch_of(context.detail),
    )


def _order(context: RunContext) -> Sequence[Any]:
    record_type = context.definition.record_type or ""
    frame = Frame(context.scope, context.now, context.zone, context.rule.id)
    return order_clauses(context.definition.order, record_type, MODELS[record_type], frame)


def _of_list(session: Session, context: RunContext, choice: Choice) -> Choice:
    """If nothing in the window matches any more: the next window of the start's list with a matching record."""
    size = window_of(context.definition, picked=not is_selected(context))
    while not choice.matched and choice.place.beyond:
        begin = choice.place.end
        place = replace(choice.place, begin=begin, end=min(begin + size, choice.place.total))
        window = start_records(session, context.run)[place.begin : place.end]
        following = _of_given(session, context, window)
        choice = replace(following, place=place, offered=(choice.offered or 0) + (following.offered or 0))
    return choice


def _may_take(session: Session, context: RunContext) -> ColumnElement[bool]:
    """Clause: records in the run's scope that match and that the rule has not handled; another run may hold them."""
    definition, model, scope = context.definition, MODELS[context.definition.record_type or ""], context.scope
    begun = (
        begun_before(session, context.rule.id, context.run.record_type, definition.conditions, model)
        if context.has_unfinished
        else false()
    )
    fits = and_(meets_conditions(context), eligible(definition, context.now))
    return and_(
        in_scope(model, scope.account_id, scope.split_site_id or scope.site_id, scope.sector_id),
        model.site_id.not_in(context.without_sites) if context.without_sites else true(),
        or_(fits, begun),
        not_handled(context, model),
    )


def meets_conditions(context: RunContext) -> ColumnElement[bool]:
    """Clause: records that meet the conditions of the run's rule version now."""
    return matching(
        context.conditions,
        record_type=context.definition.record_type or "",
        scope=context.scope,
        now=context.now,
        zone=context.zone,
        rule_id=context.rule.id,
    )


def eligible(definition: RuleDefinition, now: datetime) -> ColumnElement[bool]:
    """Clause: except records that the first action would find finished already, unless its `again` is set."""
    first = filtering_action(definition)
    return true() if first is None else first.takeable(now)


def filtering_action(definition: RuleDefinition) -> AnyAction | None:
    """The first action, if it leaves out finished records; None if it accepts all that match."""
    action = definition.actions[0]
    bound = (
        explicit_ids(action) is None
        and input_type(action, definition.record_type, []) == definition.record_type
    )
    entry = CATALOGUE[action.type]
    return None if not bound or entry.repeats(action.params) else entry


def _count(session: Session, model: type[Record], clause: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(model).where(clause)) or 0
