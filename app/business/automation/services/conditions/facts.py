"""The values of records that conditions read, detached from the session."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo

from app.business.automation.services.catalogue.field_types import (
    COUNTED,
    Field,
    FieldType,
    FieldValue,
    relation_key,
)
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.conditions.values import day_of, instant_of
from app.business.automation.services.rule_parts import Stored

_MOST_LEVELS = 20


class Facts(dict[str, FieldValue]):
    """Field name -> value of one record. Missing names read as null.

    counted: facts of related records that conditions may count, by relation name · numbers: counts that are already
    known, by `Count.subject` · outside: inside a count, facts of the record that the count belongs to · now, today: the
    time of reading.
    """

    __slots__ = ("counted", "now", "numbers", "outside", "today")

    def __init__(self, values: Mapping[str, FieldValue], *, now: datetime, today: date) -> None:
        super().__init__(values)
        self.now, self.today = now, today
        self.counted: dict[str, list[Facts]] = {}
        self.numbers: dict[str, int] = {}
        self.outside: Facts | None = None

    def with_values(self, values: Mapping[str, FieldValue]) -> "Facts":
        """A copy with these values as well."""
        copy = Facts({**self, **values}, now=self.now, today=self.today)
        copy.counted, copy.numbers, copy.outside = self.counted, self.numbers, self.outside
        return copy


def context_facts(context: Stored, *, now: datetime, zone: tzinfo, record_type: str | None = None) -> Facts:
    """Facts from a JSON object that a person entered: {"volume": 5, "site": {"language": "en"}}.

    Nested objects are read by dotted path; lists of objects are the records that conditions count. With a
    `record_type`, times and days written as text are parsed.
    """
    facts = Facts({}, now=now, today=now.astimezone(zone).date())
    level: list[tuple[str, Stored]] = [("", context)]
    for _ in range(_MOST_LEVELS):
        deeper: list[tuple[str, Stored]] = []
        for prefix, values in level:
            for key, given in values.items():
                facts[prefix + key] = given
                if isinstance(given, dict):
                    deeper.append((f"{prefix}{key}.", given))
        level = deeper
    if record_type is not None:
        _read_times(facts, fields_of(record_type).values())
    for name, value in facts.items():
        rows = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        if rows and rows == value:
            counted = [context_facts(row, now=now, zone=zone) for row in rows]
            facts.counted |= {relation_key(of, name): counted for of in COUNTED}
    return facts


def _read_times(facts: Facts, fields: Iterable[Field]) -> None:
    readers = {FieldType.INSTANT: instant_of, FieldType.HANDLED: instant_of, FieldType.DAY: day_of}
    for field in fields:
        value = facts.get(field.name)
        if isinstance(value, str) and field.type in readers:
            facts[field.name] = readers[field.type](value)
