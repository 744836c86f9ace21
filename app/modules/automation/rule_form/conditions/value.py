"""The value of one condition: inputs that fit the operator, and conversion to JSON and back."""

from collections.abc import Callable, Mapping
from datetime import datetime

from wtforms import Field, SelectField, SelectMultipleField, StringField
from wtforms.widgets import CheckboxInput, ListWidget, NumberInput, TextInput

from app.business.automation.services.catalogue.field_types import Field as RecordField
from app.business.automation.services.catalogue.field_types import FieldType as T
from app.business.automation.services.conditions.description import operator_text
from app.business.automation.services.conditions.nodes import (
    AGE,
    CHOICE,
    COUNT_OPERATORS,
    EMPTINESS,
    OPERATORS,
    O,
)
from app.business.automation.services.rule_parts import Json
from app.modules.automation.rule_form.base import offered
from app.modules.display import viewer_zone
from app.modules.forms import SpacedField

Named = list[tuple[str, str]]
Offered = Named | dict[str, Named]
"""Choices as a list, or in groups by name."""
Entered = str | list[str] | None
AGES = [("d", "days"), ("h", "hours"), ("w", "weeks")]
OTHER = ":field"
"""Suffix of an operator that compares with another field."""

_NOT_WITH_OTHERS = (*EMPTINESS, *AGE, *CHOICE, O.BETWEEN, O.NOT_HANDLED_WITHIN)
_COMPARED_WITH_OTHERS = (T.TEXT, T.NUMBER, T.INSTANT, T.DAY)
PARTS = (O.CONTAINS, O.NOT_CONTAINS, O.STARTS_WITH, O.ENDS_WITH)
"""Operators on a part of a text, where `how ` does not match "however"."""

_INPUTS = {T.INSTANT: "datetime-local", T.DAY: "date"}


def operator_choices(field: RecordField, *, is_count: bool) -> Offered:
    """Operators for the field: with a value, and where it makes sense with another field."""
    asked = COUNT_OPERATORS if is_count else OPERATORS[field.type]
    plain = [(item.value, operator_text(item, field.type)) for item in asked]
    if is_count or field.type not in _COMPARED_WITH_OTHERS:
        return plain
    others = [item for item in asked if item not in _NOT_WITH_OTHERS]
    return {
        "Compare with a value": plain,
        "Compare with another field": [
            (f"{item.value}{OTHER}", f"{operator_text(item, field.type)} the field …") for item in others
        ],
    }


def value_fields(
    field: RecordField, operator: str, named: Callable[[str], Named], others: dict[str, Named]
) -> dict[str, Field]:
    """Unbound inputs for the value: named `value`, `value2`, `unit`. `named` provides choices for references."""
    if operator.endswith(OTHER):
        return {"value": SelectField("Field to compare with", choices=offered(others))}
    if operator in EMPTINESS:
        return {}
    if operator in AGE or operator == O.NOT_HANDLED_WITHIN:
        return {
            "value": _text("How many", "number", min=1),
            "unit": SelectField("Unit", choices=offered(AGES)),
        }
    if operator == O.BETWEEN:
        return {"value": _typed("From", field.type), "value2": _typed("To", field.type)}
    choices = list(field.choices) or named(field.name)
    if operator in CHOICE:
        return {"value": _several(choices) if choices else _text("Values, separated by commas", "text")}
    return {"value": _choice(field, choices) or _single(field.type, operator)}


def value_of(field: RecordField, operator: str, inputs: Mapping[str, Entered]) -> Json:
    """The JSON value of the input.

    Text that is not of the field's type stays text: the rule's validation refuses it.
    """
    value = inputs.get("value")
    if operator.endswith(OTHER):
        return {"field": value if isinstance(value, str) else None}
    if operator in AGE or operator == O.NOT_HANDLED_WITHIN:
        return f"{value or ''}{inputs.get('unit') or 'd'}"
    if operator == O.BETWEEN:
        return [_read(field.type, value), _read(field.type, inputs.get("value2"))]
    if operator in CHOICE:
        values = value if isinstance(value, list) else [part.strip() for part in (value or "").split(",")]
        return [_read(field.type, part) for part in values if part != ""]
    return _read(field.type, value)


def inputs_of(field: RecordField, operator: str, value: Json) -> dict[str, str | list[str]]:
    """Values of the inputs for a JSON value: the inverse of `value_of`."""
    if isinstance(value, dict):
        return {"value": str(value.get("field") or "")}
    if operator in AGE or operator == O.NOT_HANDLED_WITHIN:
        return {"value": str(value)[:-1], "unit": str(value)[-1:]}
    if operator == O.BETWEEN and isinstance(value, list):
        low, high = value
        return {"value": _written(field.type, low), "value2": _written(field.type, high)}
    if operator in CHOICE and isinstance(value, list):
        return {"value": [_written(field.type, item) for item in value]}
    return {"value": _written(field.type, value)}


def _choice(field: RecordField, choices: Named) -> Field | None:
    if field.type is T.BOOLEAN:
        choices = [("true", "yes"), ("false", "no")]
    return SelectField("Value", choices=offered(choices)) if choices else None


def _single(type: T, operator: str) -> Field:
    return SpacedField("Value") if type is T.TEXT and operator in PARTS else _typed("Value", type)


def _several(choices: Named) -> Field:
    return SelectMultipleField(
        "Values",
        choices=offered(choices),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


def _typed(label: str, type: T) -> Field:
    if type is T.NUMBER:
        return _text(label, "number", step="any")
    if type is T.REFERENCE:
        return _text(label, "number", min=1)
    return _text(label, _INPUTS.get(type, "text"))


def _text(label: str, input_type: str, **attributes: int | str) -> Field:
    widget = NumberInput(**attributes) if input_type == "number" else TextInput()
    return StringField(
        label, widget=widget, render_kw={} if input_type in ("number", "text") else {"type": input_type}
    )


def _read(type: T, text: Entered) -> Json:
    if isinstance(text, list):
        return [*text]
    try:
        if type in (T.NUMBER, T.REFERENCE):
            number = float(text or "")
            return int(number) if number.is_integer() else number
        if type is T.INSTANT:
            return datetime.fromisoformat(text or "").replace(tzinfo=viewer_zone()).isoformat()
    except (TypeError, ValueError, OverflowError):
        return text or ""
    if type is T.BOOLEAN:
        return text == "true" if text in ("true", "false") else text
    return text or ""


def _written(type: T, value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if type is T.INSTANT:
        return f"{datetime.fromisoformat(str(value)).astimezone(viewer_zone()):%Y-%m-%dT%H:%M}"
    return "" if value is None else str(value)
