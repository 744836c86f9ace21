"""The values of records that conditions read, detached from the session."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from app.business.automation.services.catalogue.field_types import COUNTED, Field, FieldType, relation_key
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.conditions.values import day_of, instant_of

_MOST_LEVELS = 20


class Facts(dict[str, Any]):
    """Field name -> value of one record. Missing names read as null.

    counted: facts of related records that conditions may count, by relation name · numbers: counts that are already
    known, by `Count.subject` · outside: inside a count, facts of the record that the count belongs to · now, today: the
    time of reading.
    """

    __slots__ = ("counted", "now", "numbers", "outside", "today")

    def __init__(self, values: Mapping[str, Any], *, now: datetime, today: date) -> None:
        super().__init__(values)
        self.now, self.today = now, today
        self.counted: dict[str, list[Facts]] = {}
        self.numbers: dict[str, int] = {}
        self.outside: Facts | None = None


def context_facts(
    context: Mapping[str, Any], *, now: datetime, zone: tzinfo, record_type: str | None = None
) -> Facts:
    """Facts from a JSON object that a person entered: {"volume": 5, "site": {"language": "en"}}.

    Nested objects are read by dotted path; lists of objects are the records that conditions count. With a
    `record_type`, times and days written as text are parsed.
    """
    facts = Facts({}, now=now, today=now.astimezone(zone).date())
    level: list[tuple[str, Mapping[str, Any]]] = [("", context)]
    for _ in range(_MOST_LEVELS):
        deeper: list[tuple[str, Mapping[str, Any]]] = []
        for prefix, values in level:
            for key, value in values.items():
                facts[prefix + key] = value
                if isinstance(value, dict):
                    deeper.append((f"{prefix}{key}.", value))
        level = deeper
    if record_type is not None:
        _read_times(facts, fields_of(record_type).values())
    for name, value in facts.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            rows = [context_facts(item, now=now, zone=zone) for item in value]
            facts.counted |= {relation_key(of, name): rows for of in COUNTED}
    return facts


def _read_times(facts: Facts, fields: Iterable[Field]) -> None:
    readers = {FieldType.INSTANT: instant_of, FieldType.HANDLED: instant_of, FieldType.DAY: day_of}
    for field in fields:
        value = facts.get(field.name)
        if isinstance(value, str) and field.type in readers:
            facts[field.name] = readers[field.type](value)
