"""The fields that the rule form offers for conditions: grouped for a select, counts of related records among them."""

from functools import cache

from app.business.automation.services.catalogue.field_catalogue import choices_of, fields_of
from app.business.automation.services.catalogue.field_types import Field, FieldType
from app.business.automation.services.catalogue.record_relations import relations_of

COUNT = "count:"
NAMED = ("site", "sector", "assignee", "now.weekday")
"""Fields whose value is chosen by name, not typed as a number."""
PLACES = {"site": "Site", "sector": "Sector", "assignee": "Assignee", "account": "Account", "now": "Today"}

Choices = dict[str, list[tuple[str, str]]]


@cache
def field_choices(record_type: str | None, may_count: bool = True) -> Choices:
    """Every field by the group it stands in: the record's own first. A count cannot stand inside a count."""
    own = (record_type or "").capitalize()
    groups: Choices = {own: []} if record_type else {}
    for field in fields_of(record_type).values():
        prefix, dot, _ = field.name.partition(".")
        title = PLACES.get(prefix, prefix.capitalize()) if dot else own
        groups.setdefault(title, []).append((field.name, field.label))
    return groups | ({"How many there are": _counts(record_type)} if may_count else {})


def _counts(record_type: str | None) -> list[tuple[str, str]]:
    found = []
    for relation in relations_of(record_type).values():
        found.append((f"{COUNT}{relation.name}", f"number of {relation.label}"))
        for value, label in choices_of(relation.name, "status"):
            found.append((f"{COUNT}{relation.name}:{value}", f"number of {relation.label}: {label.lower()}"))
    return found


@cache
def other_fields(record_type: str | None, type: FieldType, without: str) -> Choices:
    """Fields that a field of this type can be compared with."""
    known = fields_of(record_type)
    alike = (FieldType.TEXT, FieldType.CHOICE) if type is FieldType.TEXT else (type,)
    groups = {
        title: [(name, label) for name, label in choices if name in known and known[name].type in alike]
        for title, choices in field_choices(record_type).items()
    }
    return {
        title: [choice for choice in choices if choice[0] != without]
        for title, choices in groups.items()
        if choices
    }


def field_named(record_type: str | None, name: str) -> Field:
    """The field of that name; a count is a number; an unknown name gives the first field there is."""
    if name.startswith(COUNT):
        return Field(name, "number", FieldType.NUMBER, lambda _row, _frame: NotImplemented)
    known = fields_of(record_type)
    return known.get(name) or next(iter(known.values()))
