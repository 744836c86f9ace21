"""The records of a set as its runs see them: read once for all, then judged in memory by place and conditions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.run_documents import ConditionSample
from app.business.automation.services.catalogue.field_types import Field, FieldValue
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, columns_of
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Node, counts, field_names
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.runs.record_selection import Choice
from app.business.planner.models import Site, SiteStatus
from app.business.row_sets import among

RecordKey = tuple[str, int]
"""Record type and id."""
Seen = Mapping[str, FieldValue]
"""A record's values by column, with the status of its site."""

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


def fits(node: Node, row: Seen, kind: RunKind) -> bool:
    """Whether the record meets a condition that reads its own columns."""
    return _EVALUATOR.evaluate(node, _facts(node, row, kind))


@dataclass
class SetRecords:
    """seen: records of the set that exist and are not archived · held: (rule, record type, record) of its rules -> the
    run that holds it."""

    seen: dict[RecordKey, Seen] = field(default_factory=dict)
    held: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def choice(self, run: PlainRun) -> Choice:
        """The given records that the run would take now, as the gate of conditions finds them."""
        matching = [key for key in run.records if self._matches(run.kind, key)]
        held = {key for key in matching if self._is_held(run, key)} if self.held else set()
        return Choice(
            ids=[key for key in matching if key not in held],
            matched=len(matching),
            offered=len(run.records),
            held=[key for key in matching if key in held],
            window=run.records,
        )

    def in_scope(self, run: PlainRun) -> int:
        """The number of given records that are where the rule works."""
        found = (self.seen.get((run.kind.record_type, key)) for key in run.records)
        return sum(1 for row in found if row is not None and _is_in_scope(run.kind, row))

    def traces(self, kind: RunKind, ids: Iterable[int]) -> list[ConditionSample]:
        """The evaluation of the rule's conditions on these records, leaf by leaf."""
        node = kind.context.conditions
        rows = ((key, self.seen.get((kind.record_type, key))) for key in ids)
        return [
            {"id": key, "trace": _EVALUATOR.trace(node, _facts(node, row, kind))}
            for key, row in rows
            if row is not None and row["account_id"] == kind.scope.account_id
        ]

    def _matches(self, kind: RunKind, key: int) -> bool:
        row = self.seen.get((kind.record_type, key))
        return row is not None and _is_in_scope(kind, row) and fits(kind.context.conditions, row, kind)

    def _is_held(self, run: PlainRun, key: int) -> bool:
        holder = self.held.get((run.kind.context.rule.id, run.kind.record_type, key))
        return holder is not None and holder != run.id


def read_records(
    session: Session, plain: PlainRuns, *, is_locked: bool = False, to_label: bool = False
) -> SetRecords:
    """Read the given records of all runs, and which of them other runs of their rules hold.

    is_locked: whether they are locked · to_label: whether their labels, and what the steps' conditions read, are read.
    """
    found = SetRecords()
    for record_type, ids in records_by_type(plain.runs.values()).items():
        kinds = [one for one in plain.kinds if one.record_type == record_type]
        nodes = [one.context.conditions for one in kinds]
        if to_label:
            nodes += [step.when for one in kinds for step in one.steps if step.when is not None]
        columns = dict.fromkeys(
            (*PLACE, *(["labels"] if to_label else []), *read_columns(nodes, record_type))
        )
        query = _query(record_type, tuple(columns), is_locked)
        rows = session.execute(query.where(among(session, MODELS[record_type].id, ids)))
        names = (*columns, SITE_STATUS)
        found.seen.update(((record_type, row.id), dict(zip(names, row, strict=True))) for row in rows)
    rules = {one.context.rule.id for one in plain.kinds}
    for rule_id, record_type, record_id, run_id in session.execute(_CLAIMED, {"rules": rules}):
        found.held[rule_id, record_type, record_id] = run_id
    return found


def records_by_type(runs: Iterable[PlainRun]) -> dict[str, list[int]]:
    """Ids of the given records in ascending order, by their type; the types in one order, too."""
    found: dict[str, set[int]] = defaultdict(set)
    for run in runs:
        found[run.kind.record_type].update(run.records)
    return {record_type: sorted(found[record_type]) for record_type in sorted(found)}


def read_columns(nodes: Iterable[Node], record_type: str) -> list[str]:
    """The columns that conditions read, beside those of a record's place."""
    read = {field.column or "" for node in nodes for field in _read_by(node, record_type)}
    return sorted(read.difference(PLACE))


_CLAIMED = select(RuleRecord.rule_id, RuleRecord.record_type, RuleRecord.record_id, RuleRecord.run_id).where(
    RuleRecord.rule_id.in_(bindparam("rules", expanding=True)), RuleRecord.state == "claimed"
)


@lru_cache(maxsize=256)
def _query(record_type: str, columns: tuple[str, ...], is_locked: bool) -> Select[Any]:
    model = MODELS[record_type]
    values = [getattr(model, name) for name in columns]
    rows = select(*values, Site.status.label(SITE_STATUS)).join(
        Site, (Site.id == model.site_id) & (Site.account_id == model.account_id)
    )
    # In one order, so that two workers never wait for each other.
    return rows.order_by(model.id).with_for_update(key_share=True, of=model) if is_locked else rows


def _is_in_scope(kind: RunKind, row: Seen) -> bool:
    scope = kind.scope
    return (
        row["account_id"] == scope.account_id
        and row[SITE_STATUS] == SiteStatus.ACTIVE
        and scope.site_id in (None, row["site_id"])
        and scope.sector_id in (None, row["sector_id"])
    )


def _facts(node: Node, row: Seen, kind: RunKind) -> Facts:
    values = {field.name: row[field.column or ""] for field in _read_by(node, kind.record_type)}
    return Facts(values, now=kind.context.now, today=kind.today)


@lru_cache(maxsize=1024)
def _read_by(node: Node, record_type: str | None) -> tuple[Field, ...]:
    known = fields_of(record_type)
    return tuple(known[name] for name in sorted(field_names(node)))
