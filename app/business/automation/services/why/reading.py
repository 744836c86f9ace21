"""A rule's conditions on one record at a past moment: from stored values, and where there are none from present
ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Node, counts, field_names
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.business.automation.services.why.change_text import turns_text
from app.business.automation.services.why.history import RecordEvent
from app.business.automation.services.why.smallest_change import Flip, smallest_change
from app.business.planner.models import Record
from app.business.planner.services.record_snapshot import kept_names, restored

Source = Literal["run", "event", "unchanged", "now"]

NEVER_CHANGES = {"id", "site", "sector", "created_at", "updated_at"}


@dataclass(frozen=True)
class Reading:
    """The conditions of `version` on the record at `at`.

    source: stored with the run; stored with the event; unchanged since; or present values · as_now: fields that were
    read with their present value anyway · turns: None when no change was found.
    """

    at: datetime
    version: int
    source: Source
    trace: JsonObject
    as_now: list[str]
    turns: list[Flip] | None
    record_type: str

    @property
    def is_met(self) -> bool:
        return bool(self.trace.get("result", True))

    @property
    def advice(self) -> str:
        """The smallest change in one sentence; empty when the conditions held or there is none."""
        return turns_text(self.turns or [], self.record_type)


def read_now(session: Session, rule: AutomationRule, record: Record, now: datetime) -> Reading:
    """The present conditions on the record as it is."""
    node = _parsed(rule.conditions, rule)
    facts = _facts(session, rule, rule_scope(session, rule), record, node, now)
    return _reading(rule, node, facts, now, rule.version, "now", [])


def read_then(
    session: Session,
    rule: AutomationRule,
    record: Record,
    version: RuleVersion,
    at: datetime,
    events: Sequence[RecordEvent],
    run: ScheduledTask | None = None,
) -> Reading:
    """The conditions of `version` at that moment. Raises Invalid where they are not valid any more."""
    said = definition_from(version.definition)
    node = _parsed(said.conditions, rule)
    if run is not None and (kept := _kept_trace(run, record)):
        return _explained(rule, node, kept, at, version.version)
    scope = replace(rule_scope(session, rule), site_id=said.site, sector_id=said.sector)
    facts = _facts(session, rule, scope, record, node, at)
    if record.updated_at <= at:
        return _reading(rule, node, facts, at, version.version, "unchanged", _others(node, _columns(rule)))
    record_event = next(
        (one for one in events if one.event.snapshot is not None and one.batch.created_at <= at), None
    )
    if record_event is None:
        return _reading(rule, node, facts, at, version.version, "now", sorted(_own(node)))
    snapshot = record_event.event.snapshot or {}
    model = MODELS[rule.record_type or ""]
    names = sorted(kept_names(model))
    values = restored(model, snapshot, record_event.batch.created_at, names)
    known = _as_fields(dict(zip(names, values, strict=True)), rule)
    facts.update(known)
    return _reading(rule, node, facts, at, version.version, "event", _others(node, set(known)))


def _parsed(conditions: Stored, rule: AutomationRule) -> Node:
    return parse_conditions(dict(conditions), record_type=rule.record_type)


def _facts(
    session: Session, rule: AutomationRule, scope: RuleScope, record: Record, node: Node, at: datetime
) -> Facts:
    facts = load_facts(
        session,
        rule.record_type,
        [record.id],
        scope=scope,
        now=at,
        zone=rule_zone(session, rule),
        rule_id=rule.id,
        conditions=[node],
    )
    return facts[record.id]


def _reading(
    rule: AutomationRule,
    node: Node,
    facts: Facts,
    at: datetime,
    version: int,
    source: Source,
    as_now: list[str],
) -> Reading:
    trace = ConditionEvaluator().trace(node, facts)
    turns = smallest_change(node, trace, facts.now, facts.today)
    return Reading(at, version, source, trace, as_now, turns, rule.record_type or "")


def _explained(rule: AutomationRule, node: Node, trace: JsonObject, at: datetime, version: int) -> Reading:
    turns = smallest_change(node, trace, at, at.date())
    return Reading(at, version, "run", trace, [], turns, rule.record_type or "")


def _kept_trace(run: ScheduledTask, record: Record) -> JsonObject | None:
    samples = (run.detail.trace or {}).get("records", [])
    return next((sample["trace"] for sample in samples if sample["id"] == record.id), None)


def _columns(rule: AutomationRule) -> set[str]:
    """Fields that are columns of the record itself: `updated_at` covers them."""
    columns = inspect(MODELS[rule.record_type or ""]).column_attrs.keys()
    return set(_as_fields(dict.fromkeys(columns), rule))


def _as_fields(values: Stored, rule: AutomationRule) -> JsonObject:
    """Column values under the field names of conditions: cluster_id is `cluster`."""
    fields = fields_of(rule.record_type)
    named = {name if name in fields else name.removesuffix("_id"): value for name, value in values.items()}
    return {name: value for name, value in named.items() if name in fields}


def _own(node: Node) -> set[str]:
    """Fields that are read, except for those that cannot have changed."""
    names = {name for name in field_names(node) if not name.startswith("now.") and name not in NEVER_CHANGES}
    return names | {count.key for count in counts(node)}


def _others(node: Node, known: set[str]) -> list[str]:
    """Fields read from elsewhere, without stored values: the account, the site, related records."""
    names = {
        name
        for name in field_names(node)
        if name not in known | NEVER_CHANGES and not name.startswith("now.")
    }
    foreign = {name for name in field_names(node) if "." in name and not name.startswith("now.")}
    return sorted(names | foreign | {count.key for count in counts(node)})
