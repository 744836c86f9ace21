"""The fields that the rule form offers for conditions, in groups for a select, including counts of related records."""

from functools import cache

from app.business.automation.services.catalogue.field_types import (
    OF_ACCOUNT,
    OF_SITE,
    RELATED,
    Field,
    FieldType,
)
from app.business.automation.services.catalogue.fields import choices_of, fields_of
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions.leaf_parser import RECORD

COUNT = "count:"
COUNTS = {
    RELATED: "How many there are",
    OF_SITE: "How many there are on the site",
    OF_ACCOUNT: "How many there are wherever the rule looks",
}
"""Titles of the groups of counts."""
OF_MESSAGE = {
    f"{INCOMING}:{type}": Field(
        f"{INCOMING}:{type}", f"a {type} of the message", type, lambda _row, _frame: NotImplemented
    )
    for type in (FieldType.TEXT, FieldType.NUMBER)
}
"""Values of an incoming message: their place in it is typed, for nobody knows it before one comes."""
NAMED = ("site", "sector", "assignee", "now.weekday")
"""Fields whose value is chosen by name, not typed as a number."""
PLACES = {
    "run": "The finished run",
    "site": "Site",
    "sector": "Sector",
    "assignee": "Assignee",
    "account": "Account",
    "now": "Today",
}

Choices = dict[str, list[tuple[str, str]]]


@cache
def field_choices(record_type: str | None, may_count: bool = True) -> Choices:
    """Every field by its group, the record's own first. Counts cannot be nested."""
    own = (record_type or "").capitalize()
    groups: Choices = {own: []} if record_type in RECORD_TYPES else {}
    if record_type == INCOMING:
        groups["The message"] = [(name, field.label) for name, field in OF_MESSAGE.items()]
    for field in fields_of(record_type).values():
        prefix, dot, _ = field.name.partition(".")
        title = PLACES.get(prefix, prefix.capitalize()) if dot else own
        groups.setdefault(title, []).append((field.name, field.label))
    return groups | (_counts(record_type) if may_count else {})


def _counts(record_type: str | None) -> Choices:
    """The counts by group. Related records also by status, in the same choice."""
    found: Choices = {title: [] for title in COUNTS.values()}
    for relation in relations_of(record_type).values():
        group = found[COUNTS[relation.of]]
        group.append((f"{COUNT}{relation.key}", f"number of {relation.label}"))
        for value, label in choices_of(relation.name, "status") if relation.of == RELATED else ():
            group.append((f"{COUNT}{relation.key}:{value}", f"number of {relation.label}: {label.lower()}"))
    return {title: group for title, group in found.items() if group}


@cache
def other_fields(
    record_type: str | None, type: FieldType, without: str, outside: str | None = None
) -> Choices:
    """Fields that a field of this type can be compared with; `outside`: inside a count, the type of the outer
    record."""
    found = _alike(record_type, type, without)
    if outside is None:
        return found
    its = {
        f"This {noun(outside)}"
        if title == outside.capitalize()
        else f"This {noun(outside)}: {title.lower()}": [
            (f"{RECORD}{name}", f"{label} of this {noun(outside)}") for name, label in choices
        ]
        for title, choices in _alike(outside, type, "").items()
        if title not in (PLACES["account"], PLACES["now"])
    }
    return its | found


def _alike(record_type: str | None, type: FieldType, without: str) -> Choices:
    known = fields_of(record_type)
    alike = (FieldType.TEXT, FieldType.CHOICE) if type is FieldType.TEXT else (type,)
    groups = {
        title: [
            (name, label)
            for name, label in choices
            if name != without and name in known and known[name].type in alike
        ]
        for title, choices in field_choices(record_type).items()
    }
    return {title: choices for title, choices in groups.items() if choices}


def field_named(record_type: str | None, name: str) -> Field:
    """The field with this name; a count is a number; for unknown names the first field."""
    if name.startswith(COUNT):
        return Field(name, "number", FieldType.NUMBER, lambda _row, _frame: NotImplemented)
    if name in OF_MESSAGE:
        return OF_MESSAGE[name]
    known = fields_of(record_type)
    return known.get(name) or next(iter(known.values()))
