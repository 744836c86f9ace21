"""The records of a set as its runs see them: read once for all, then judged in memory by place and conditions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.run_documents import ConditionSample
from app.business.automation.services.catalogue.field_types import Field, FieldValue
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, columns_of
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Node, counts, field_names
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.record_selection import Choice
from app.business.planner.models import Record, Site, SiteStatus

RecordKey = tuple[str, int]
"""Record type and id."""
Seen = Mapping[str, FieldValue]
"""A record's values by column, and the status of its site."""

_EVALUATOR = ConditionEvaluator()
SITE_STATUS = "status of site"
PLACE = ("id", "account_id", "site_id", "sector_id", "version")


@lru_cache(maxsize=1024)
def reads_own_columns(node: Node, record_type: str | None) -> bool:
    """Whether a record's own row decides the condition."""
    known, columns = fields_of(record_type), columns_of(record_type or "")
    return not counts(node) and all(
        name in known and known[name].column in columns for name in field_names(node)
    )


def fits(node: Node, record_type: str | None, row: Record, context: RunContext) -> bool:
    """Whether the record, as it is in memory, meets a condition that reads its own columns."""
    values = {field.name: getattr(row, field.column or "") for field in _read_by(node, record_type)}
    return _EVALUATOR.evaluate(node, _facts(values, context.now, context))


@dataclass
class SetRecords:
    """seen: records of the set that exist and are not archived · held: (rule, record type, record) -> the run that
    holds it."""

    seen: dict[RecordKey, Seen] = field(default_factory=dict)
    held: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def choice(self, context: RunContext) -> Choice:
        """The given records that the run would take now, as the gate of conditions finds them."""
        record_type, given = str(context.run.record_type), list(context.detail.records or ())
        matching = [key for key in given if self._matches(context, self.seen.get((record_type, key)))]
        held = {key for key in matching if self._is_held(context, record_type, key)}
        return Choice(
            ids=[key for key in matching if key not in held],
            matched=len(matching),
            offered=len(given),
            held=[key for key in matching if key in held],
            window=given,
        )

    def in_scope(self, context: RunContext) -> int:
        """The number of given records that are where the rule works."""
        record_type = str(context.run.record_type)
        found = (self.seen.get((record_type, key)) for key in context.detail.records or ())
        return sum(1 for row in found if row is not None and _is_in_scope(context, row))

    def traces(self, context: RunContext, most: int) -> list[ConditionSample]:
        """The evaluation of the rule's conditions on the run's first records, leaf by leaf."""
        record_type = str(context.run.record_type)
        rows = ((key, self.seen.get((record_type, key))) for key in (context.detail.records or ())[:most])
        return [
            {"id": key, "trace": self._trace(context, row)}
            for key, row in rows
            if row is not None and row["account_id"] == context.account.id
        ]

    def _matches(self, context: RunContext, row: Seen | None) -> bool:
        if row is None or not _is_in_scope(context, row):
            return False
        return _EVALUATOR.evaluate(context.conditions, _seen_facts(context, row))

    def _trace(self, context: RunContext, row: Seen) -> JsonObject:
        return _EVALUATOR.trace(context.conditions, _seen_facts(context, row))

    def _is_held(self, context: RunContext, record_type: str, key: int) -> bool:
        holder = self.held.get((context.rule.id, record_type, key))
        return holder is not None and holder != context.run.id


def read_records(session: Session, contexts: Sequence[RunContext]) -> SetRecords:
    """Read the given records of all runs, and which of them other runs of their rules hold."""
    found = SetRecords()
    for record_type in sorted({str(context.run.record_type) for context in contexts}):
        of_type = [context for context in contexts if context.run.record_type == record_type]
        ids = sorted({key for context in of_type for key in context.detail.records or ()})
        for row in session.execute(_query(record_type, _columns(of_type, record_type), ids)).mappings():
            found.seen[record_type, row["id"]] = dict(row)
    taken = RuleRecord
    key = tuple_(taken.rule_id, taken.record_type, taken.record_id)
    asked = sorted(_claims_of(contexts))
    claimed = select(taken.rule_id, taken.record_type, taken.record_id, taken.run_id).where(
        key.in_(asked), taken.state == "claimed"
    )
    for rule_id, record_type, record_id, run_id in session.execute(claimed):
        found.held[rule_id, record_type, record_id] = run_id
    return found


def _claims_of(contexts: Iterable[RunContext]) -> Iterator[tuple[int, str, int]]:
    for context in contexts:
        for key in context.detail.records or ():
            yield context.rule.id, str(context.run.record_type), key


def _columns(contexts: Iterable[RunContext], record_type: str) -> list[str]:
    trees = {id(context.conditions): context.conditions for context in contexts}
    read = {field.column or "" for tree in trees.values() for field in _read_by(tree, record_type)}
    return [*PLACE, *sorted(read.difference(PLACE))]


def _query(record_type: str, columns: Sequence[str], ids: Sequence[int]) -> Any:
    model = MODELS[record_type]
    values = [getattr(model, name) for name in columns]
    return (
        select(*values, Site.status.label(SITE_STATUS))
        .join(Site, (Site.id == model.site_id) & (Site.account_id == model.account_id))
        .where(model.id.in_(ids))
    )


def _is_in_scope(context: RunContext, row: Seen) -> bool:
    scope = context.scope
    return (
        row["account_id"] == scope.account_id
        and row[SITE_STATUS] == SiteStatus.ACTIVE
        and scope.site_id in (None, row["site_id"])
        and scope.sector_id in (None, row["sector_id"])
    )


def _seen_facts(context: RunContext, row: Seen) -> Facts:
    fields = _read_by(context.conditions, context.run.record_type)
    return _facts({field.name: row[field.column or ""] for field in fields}, context.now, context)


def _facts(values: Mapping[str, FieldValue], now: datetime, context: RunContext) -> Facts:
    return Facts(values, now=now, today=now.astimezone(context.zone).date())


@lru_cache(maxsize=1024)
def _read_by(node: Node, record_type: str | None) -> tuple[Field, ...]:
    known = fields_of(record_type)
    return tuple(known[name] for name in sorted(field_names(node)))
