"""The ids that a rule references in its trigger, conditions and actions, and those that its account does not have.

Also reads stored definitions that are not valid any more: values that are no ids are left to the validation of the
rule.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.field_types import FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, RECORD_TYPES
from app.business.automation.services.rule_parts import Json, Stored
from app.business.outlets.webhook_models import Webhook
from app.business.planner.models import Sector, Site

Errors = dict[str, list[str]]
Key = TypeVar("Key", bound=Hashable)

OWNERS: dict[str, Any] = {
    "rule": AutomationRule,
    "site": Site,
    "sector": Sector,
    "person": User,
    "webhook": Webhook,
    "run": ScheduledTask,
} | MODELS
"""Word for a kind of row -> its table."""
CALLED = {"assignee": "person", "made_by_run": "run", "number": "run"}
"""Last part of a field name -> the kind of row, where the two differ."""
AT_ONCE = 900
"""Ids looked up in one query."""


@dataclass(frozen=True)
class Reference:
    """One id that a rule references. `kind`: of row · `path`: in the rule · `before`: start of the error sentence."""

    kind: str
    id: int
    path: str
    before: str = ""


def unknown_references(
    session: Session, scope: Scope, definitions: Mapping[Key, Stored]
) -> dict[Key, Errors]:
    """For each rule, by path, the references to rows that are not in scope. One query for each kind of row."""
    return unknown_of(session, scope, {key: list(references_of(said)) for key, said in definitions.items()})


def unknown_of(session: Session, scope: Scope, named: Mapping[Key, Sequence[Reference]]) -> dict[Key, Errors]:
    """The same of references that are known."""
    known = _known(session, scope, {one for found in named.values() for one in found})
    errors: dict[Key, Errors] = {key: {} for key in named}
    for key, found in named.items():
        for one in found:
            if (one.kind, one.id) not in known:
                sentence = f"{one.before}{one.kind} {_short(one.id)} was not found."
                errors[key].setdefault(one.path, []).append(sentence[:1].upper() + sentence[1:])
    return errors


def references_of(definition: Stored) -> Iterator[Reference]:
    """All ids in the rule except for site and sector, which are columns of their own."""
    options, record_type = definition.get("trigger_options"), definition.get("record_type")
    for id in _ids(options.get("rule_id") if isinstance(options, dict) else None):
        yield Reference("rule", id, "trigger_options.rule_id")
    yield from _of_conditions(definition.get("conditions"), record_type, "conditions")
    actions = definition.get("actions")
    for index, action in enumerate(actions if isinstance(actions, list) else ()):
        if isinstance(action, dict):
            yield from _of_action(action, index, record_type)


def _of_action(action: Stored, index: int, record_type: Json) -> Iterator[Reference]:
    entry = CATALOGUE.get(str(action.get("type")))
    if entry is None:
        return
    path, before = f"actions[{index}]", f"Action {index + 1}: "
    params = action.get("params")
    taken = entry.needed or record_type
    for name, value in params.items() if isinstance(params, dict) else ():
        kind = entry.inputs[name].names if name in entry.inputs else None
        kind = "person" if kind == "recipient" else kind
        if kind in OWNERS:
            yield from (Reference(kind, id, f"{path}.params.{name}", before) for id in _ids(value))
        elif name in entry.ids:
            yield from (Reference(entry.takes[0], id, f"{path}.params", before) for id in _ids(value))
    yield from _of_conditions(action.get("when"), taken, f"{path}.when")


def _of_conditions(conditions: Json, record_type: Json, path: str) -> Iterator[Reference]:
    """Iterative: a stored tree may be nested to any depth."""
    waiting = [(conditions, record_type, path)]
    while waiting:
        node, about, where = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield from _of_leaf(node, about, where)
        for key in ("all", "any"):
            children = node.get(key)
            listed = enumerate(children if isinstance(children, list) else ())
            waiting += [(child, about, f"{where}.{key}[{index}]") for index, child in listed]
        waiting += [
            (node.get("not"), about, f"{where}.not"),
            (node.get("where"), node.get("count"), f"{where}.where"),
        ]


def _of_leaf(leaf: Stored, record_type: Json, path: str) -> Iterator[Reference]:
    name = leaf.get("field")
    if not isinstance(name, str) or record_type not in (None, *RECORD_TYPES):
        return
    field, kind = fields_of(record_type).get(name), name.rpartition(".")[2]
    if field is None or field.type is not FieldType.REFERENCE:
        return
    kind = str(record_type) if kind == "id" else CALLED.get(kind, kind)
    yield from (Reference(kind, id, f"{path}.value") for id in _ids(leaf.get("value")))


def _ids(value: Json) -> list[int]:
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, int) and not isinstance(item, bool)]


def _known(session: Session, scope: Scope, wanted: set[Reference]) -> set[tuple[str, int]]:
    known: set[tuple[str, int]] = set()
    for kind in {one.kind for one in wanted}:
        model = OWNERS[kind]
        # People belong to no site: everybody may name them.
        seen = (Scope(scope.account_id) if model.site_column() is None else scope).sees(model)
        ids = sorted({one.id for one in wanted if one.kind == kind and 0 < one.id <= LARGEST_ID})
        for first in range(0, len(ids), AT_ONCE):
            part = ids[first : first + AT_ONCE]
            mine = select(model.id).where(seen, model.id.in_(part))
            known |= {(kind, id) for id in session.scalars(mine)}
    return known


def _short(id: int) -> str:
    return str(id) if abs(id) < 10**20 else f"{'-' if id < 0 else ''}{str(abs(id))[:20]}…"
