"""Parses one leaf of conditions and checks each of its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import null

from app.business.automation.services.catalogue.field_types import (
    COUNTED,
    RELATED,
    Field,
    FieldType,
    relation_key,
)
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.incoming_fields import INCOMING, is_of_message
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.conditions import nodes
from app.business.automation.services.conditions.nodes import Leaf, Operand, Operator
from app.business.automation.services.conditions.values import (
    WrongValueError,
    age_of,
    check_plain,
    operand_for,
    shown,
)
from app.business.automation.services.rule_parts import Json, JsonObject

LEAF_KEYS = {"field", "operator", "value", "ignore_case"}
COUNT_KEYS = {"count", "of", "where", "operator", "value"}
RECORD = "record."
"""Prefix of the outer record's fields in the `where` of a count."""

_TEXTUAL = (FieldType.TEXT, FieldType.CHOICE, FieldType.LIST)
_SAME_KIND = {
    FieldType.REFERENCE: FieldType.NUMBER,
    FieldType.CHOICE: FieldType.TEXT,
    FieldType.HANDLED: FieldType.INSTANT,
}


@dataclass(frozen=True)
class ConditionSubject:
    """The records that leaves refer to.

    fields None: any names are allowed · outside: the record that a count belongs to.
    """

    record_type: str | None
    fields: Mapping[str, Field] | None
    outside: "ConditionSubject | None" = None


def read_leaf(given: Json, place: "Place", subject: ConditionSubject) -> Leaf:
    """Parse one leaf. Raises WrongPlaceError."""
    data = place.condition(given)
    operator = place.operator(data, LEAF_KEYS)
    name = place.field_name(data, operator)
    field = place.field(name, "field", subject)
    place.suits(operator, field)
    ignore_case = place.ignore_case(data, field)
    value = place.value(data, operator)
    other, of_record = place.other_field(value, operator, field, subject)
    if of_record and ignore_case:
        place.has_fold(str(other), subject)
    return Leaf(
        field=name,
        operator=operator,
        value=value,
        operand=None if other else place.operand(field, operator, value, ignore_case),
        other=other,
        type=field.type if field else None,
        ignore_case=ignore_case,
        number=place.number,
        of_record=of_record,
    )


@dataclass(frozen=True)
class CountParts:
    """The parts of a counting leaf: the relation, the subject of its `where`, the `where` as given, and the number."""

    relation: str
    of: str
    subject: ConditionSubject
    where: Json
    operator: Operator
    value: Json


def read_count(data: JsonObject, place: "Place", subject: ConditionSubject) -> CountParts:
    """Parse a counting leaf. Raises WrongPlaceError."""
    operator = place.operator(data, COUNT_KEYS)
    if operator not in nodes.COUNT_OPERATORS:
        place.refuse("operator", f"a count is a number: choose one of {', '.join(nodes.COUNT_OPERATORS)}.")
    relation, of = place.counted(data["count"], data.get("of", RELATED), subject)
    number = Field("count", "count", FieldType.NUMBER, lambda _row, _frame: null())
    value = place.value(data, operator)
    if value is None or isinstance(value, dict):
        place.refuse("value", "a count is compared with a number.")
    place.operand(number, operator, value, False)
    inner = _inside(relation, subject)
    return CountParts(relation, of, inner, data.get("where", {}), operator, value)


def _inside(relation: str, subject: ConditionSubject) -> ConditionSubject:
    if subject.fields is None:
        return ConditionSubject(None, None, subject)
    return ConditionSubject(relation, fields_of(relation), subject)


class WrongPlaceError(Exception):
    def __init__(self, path: str, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.path, self.number, self.sentence = path, number, sentence


@dataclass(frozen=True)
class Place:
    """The position of a leaf, and the checks of its parts; each refuses by raising WrongPlaceError."""

    path: str
    number: int

    def refuse(self, key: str, sentence: str) -> NoReturn:
        raise WrongPlaceError(f"{self.path}.{key}" if key else self.path, self.number, sentence)

    def condition(self, given: Json) -> JsonObject:
        if not isinstance(given, dict) or not given:
            self.refuse("", "a condition is an object with field, operator and value.")
        return given

    def operator(self, data: JsonObject, keys: set[str]) -> Operator:
        unknown = [key for key in data if key not in keys]
        if unknown:
            self.refuse("", f"unknown key {shown(unknown[0])}. A condition has {', '.join(sorted(keys))}.")
        name = data.get("operator")
        if not isinstance(name, str) or name not in set(Operator):
            self.refuse("operator", f"unknown operator {shown(name)}. Choose one of: {', '.join(Operator)}.")
        return Operator(name)

    def field_name(self, data: JsonObject, operator: Operator) -> str:
        # This question is about the rule and the record, so it may leave the field out.
        name = data.get("field", "handled_at" if operator is Operator.NOT_HANDLED_WITHIN else None)
        if not isinstance(name, str) or not name:
            self.refuse("field", "'field' is missing. Say which field it looks at.")
        return name

    def field(self, name: str, key: str, subject: ConditionSubject) -> Field | None:
        if subject.fields is None or (subject.record_type == INCOMING and is_of_message(name)):
            return None
        if name not in subject.fields:
            whose = f"of {subject.record_type}" if subject.record_type else "without a record type"
            self.refuse(key, f"there is no field {shown(name)} {whose}. Choose one from the list.")
        return subject.fields[name]

    def suits(self, operator: Operator, field: Field | None) -> None:
        if field is not None and operator not in nodes.OPERATORS[field.type]:
            fitting = ", ".join(nodes.OPERATORS[field.type])
            self.refuse("operator", f"'{operator}' does not suit '{field.name}'. Choose one of: {fitting}.")

    def ignore_case(self, data: JsonObject, field: Field | None) -> bool:
        given = data.get("ignore_case", False)
        if not isinstance(given, bool):
            self.refuse("ignore_case", "'ignore_case' is true or false.")
        if given and field is not None and field.type not in _TEXTUAL:
            self.refuse("ignore_case", f"'{field.name}' is no text, so it has no upper or lower case.")
        return given

    def value(self, data: JsonObject, operator: Operator) -> Json:
        if "value" not in data and operator not in nodes.EMPTINESS:
            self.refuse("value", f"'{operator}' needs a value.")
        return data.get("value")

    def other_field(
        self, value: Json, operator: Operator, field: Field | None, subject: ConditionSubject
    ) -> tuple[str | None, bool]:
        """The name of the field to compare with, and whether it belongs to the outer record."""
        if not isinstance(value, dict):
            return None, False
        name = value.get("field")
        if set(value) != {"field"} or not isinstance(name, str):
            self.refuse("value", 'another field is written {"field": "its name"}.')
        of_record = subject.outside is not None and name.startswith(RECORD)
        name = name.removeprefix(RECORD) if of_record else name
        other = self.field(name, "value", subject.outside if of_record and subject.outside else subject)
        if other is not None and other is field and not of_record:
            self.refuse("value", f"'{name}' is compared with itself. Choose another field, or give a value.")
        if field is not None and other is not None:
            self.comparable(field, operator, other)
        return name, of_record

    def has_fold(self, name: str, subject: ConditionSubject) -> None:
        """Counts run in the database, which ignores case by stored folded texts; fields of runs have none."""
        fields = subject.outside.fields if subject.outside else None
        if fields and fields[name].type is FieldType.TEXT and fields[name].folded is None:
            self.refuse("ignore_case", f"'{RECORD}{name}' can only be compared with upper and lower case.")

    def comparable(self, field: Field, operator: Operator, other: Field) -> None:
        if operator in (*nodes.EMPTINESS, *nodes.AGE, Operator.BETWEEN, Operator.NOT_HANDLED_WITHIN):
            self.refuse("value", f"'{operator}' cannot compare with another field.")
        wanted = _kind(field.type)
        if operator in nodes.CHOICE:
            wanted = FieldType.LIST if wanted is FieldType.TEXT else None
        elif field.type is FieldType.LIST:
            wanted = FieldType.TEXT
        if _kind(other.type) is not wanted:
            self.refuse(
                "value",
                f"'{field.name}' ({field.type}) cannot be compared with '{other.name}' ({other.type}).",
            )

    def operand(self, field: Field | None, operator: Operator, value: Json, ignore_case: bool) -> Operand:
        try:
            if field is not None:
                return operand_for(field, operator, value, ignore_case=ignore_case)
            check_plain(value)
        except WrongValueError as wrong:
            self.refuse("value", str(wrong))
        return _free_operand(operator, value)

    def counted(self, name: Json, of: Json, subject: ConditionSubject) -> tuple[str, str]:
        """The type of the records that count, and which of them."""
        if subject.outside is not None:
            self.refuse("count", "a count cannot stand inside a count.")
        if not isinstance(of, str) or of not in COUNTED:
            self.refuse(
                "of", f"'of' says which records count: one of {', '.join(COUNTED)}; {shown(of)} is not."
            )
        if not isinstance(name, str):
            self.refuse("count", "'count' names the records to count.")
        if subject.fields is None:
            return name, of
        relations = relations_of(subject.record_type)
        if relation_key(of, name) not in relations:
            known = ", ".join(relation.name for relation in relations.values() if relation.of == of)
            self.refuse("count", f"{shown(name)} cannot be counted here. Choose one of: {known}.")
        return name, of


def _kind(type: FieldType) -> FieldType | None:
    return _SAME_KIND.get(type, type)


def _free_operand(operator: Operator, value: Json) -> Operand:
    about_age = operator in nodes.AGE or operator is Operator.NOT_HANDLED_WITHIN
    return age_of(value) if about_age else value
