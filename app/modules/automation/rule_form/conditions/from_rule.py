"""The input for conditions of a stored rule: the inverse of `ConditionTree.json`."""

import json
from collections.abc import Mapping
from typing import Any

from app.business.automation.services.catalogue.field_types import RELATED, FieldType, relation_key
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.incoming_fields import INCOMING, PREFIX, is_of_message
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.nodes import EMPTINESS
from app.modules.automation.rule_form.base import Pairs
from app.modules.automation.rule_form.conditions.fields import COUNT, NAMED, field_named
from app.modules.automation.rule_form.conditions.outline import ROOT, Branch, ConditionOutline
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from app.modules.automation.rule_form.conditions.value import OTHER, inputs_of


def pairs_from(
    conditions: Mapping[str, Any], record_type: str | None, prefix: str = "", *, outside: str | None = None
) -> Pairs:
    """Rows and groups in order; a condition that the form has no inputs for is kept as it is."""
    outline = ConditionOutline([], prefix)
    if conditions:
        match, children = _opened(conditions) or ("all", [conditions])
        is_bare = children == [conditions] or conditions == {"all": []}
        outline.root.pairs = [("match", match)] + ([("bare", "y")] if is_bare else [])
        _fill(outline, outline.root, children, record_type, outside)
    return outline.pairs()


def _fill(
    outline: ConditionOutline,
    group: Branch,
    children: list[Any],
    record_type: str | None,
    outside: str | None,
) -> None:
    for child in children:
        opened = _opened(child)
        if opened is None:
            group.put(outline.added("c", *_row(child, record_type, outside)))
            continue
        inner = outline.added("g", ("match", opened[0]))
        group.put(inner)
        _fill(outline, inner, opened[1], record_type, outside)


def _opened(node: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
    """How the group is joined, and its children; None for a condition."""
    if "not" not in node:
        return next(((kind, node[kind]) for kind in ("all", "any") if kind in node), None)
    inner = node["not"]
    if "any" in inner:
        return "none", inner["any"]
    # "Not" of a single condition is written without a list, so a list of one is a separate group.
    return "not", inner["all"] if len(inner.get("all", [0])) != 1 else [inner]


def _row(leaf: Mapping[str, Any], record_type: str | None, outside: str | None) -> list[tuple[str, str]]:
    """Its fields, if they result in exactly this condition again."""
    try:
        fields = _fields(leaf, record_type)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Saved by an older version, or with a removed field: the rule must still be shown to its author.
        return [("kept", json.dumps(leaf))]
    typed: Pairs = [["c0-group", ROOT[1:]], *([f"c0-{key}", value] for key, value in fields)]
    read = ConditionTree(typed, record_type, _any_name, outside=outside).root.children[0].json()
    return fields if read == leaf else [("kept", json.dumps(leaf))]


def _any_name(reference: str) -> list[tuple[str, str]]:
    return [("", "")] if reference in NAMED else []


def _fields(leaf: Mapping[str, Any], record_type: str | None) -> list[tuple[str, str]]:
    operator, value = str(leaf["operator"]), leaf.get("value")
    name, where = _name_of(leaf, record_type)
    path = []
    if is_of_message(name):
        path = [("path", name.removeprefix(PREFIX))]
        name = f"{INCOMING}:{_type_of(value)}"
    about = field_named(record_type, name)
    is_bare = not ({"field", "where"} & set(leaf))
    fields = [("bare", "y")] if is_bare else []
    fields += [("case", "" if leaf.get("ignore_case") else "exact"), ("field", name), *path]
    fields.append(("operator", operator + (OTHER if isinstance(value, dict) else "")))
    inputs = {} if operator in EMPTINESS else inputs_of(about, operator, value)
    listed = inputs.get("value")
    if isinstance(listed, list):
        items = listed if about.choices or about.name in NAMED else [", ".join(listed)]
        return [*fields, *(("value", item) for item in items)]
    single = ((key, text) for key, text in inputs.items() if isinstance(text, str))
    return [*fields, *single, *((pair[0], pair[1]) for pair in where)]


def _type_of(value: Any) -> FieldType:
    """The type of what a message's value is compared with."""
    first = value[0] if isinstance(value, list) and value else value
    is_number = isinstance(first, int | float) and not isinstance(first, bool)
    return FieldType.NUMBER if is_number else FieldType.TEXT


def _name_of(leaf: Mapping[str, Any], record_type: str | None) -> tuple[str, Pairs]:
    if "count" not in leaf:
        return str(leaf.get("field", "handled_at")), []
    counted, of, where = str(leaf["count"]), leaf.get("of", RELATED), leaf.get("where") or {}
    relation = relations_of(record_type)[relation_key(of, counted)]
    for status, _ in choices_of(counted, "status") if of == RELATED else ():
        if where == {"field": "status", "operator": "eq", "value": status}:
            return f"{COUNT}{counted}:{status}", []
    return f"{COUNT}{relation.key}", pairs_from(where, counted, "where-", outside=record_type)
