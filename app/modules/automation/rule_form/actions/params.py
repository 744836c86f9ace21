"""Inputs for the parameters of actions: how they are entered and read; the catalogue declares the parameters."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic.fields import FieldInfo
from wtforms import BooleanField, Field, SelectField, StringField, TextAreaField
from wtforms.widgets import NumberInput

from app.business.automation.services.catalogue.actions.parameters import Input
from app.business.automation.services.rule_parts import Json
from app.modules.automation.rule_form.base import offered, optional
from app.modules.gate.numbers import whole_number

LONG_TEXT = 300
YES_OR_NO = [("yes", "Yes"), ("no", "No")]
Lookups = Mapping[str, list[tuple[str, str]]]
"""Choices for parameters that reference rows: kind of row -> (id, name)."""


def input_for(input: Input, info: FieldInfo, lookups: Lookups) -> Field:
    """An unbound input that suits the parameter."""
    label, hint = input.label, input.hint
    kind, bounds = _kind(info), _bounds(info)
    if input.names and input.names in lookups:
        choices = optional(lookups[input.names], input.none)
        return SelectField(label, choices=offered(choices), description=hint)
    if get_origin(kind) is Literal:
        choices = [(value, input.words.get(value, str(value).capitalize())) for value in get_args(kind)]
        may_be_none = not info.is_required() and info.default is None
        return SelectField(
            label,
            choices=offered(optional(choices, input.none) if may_be_none else choices),
            description=hint,
        )
    if kind is bool:
        return _yes_or_no(info, label, hint)
    if kind is int:
        return StringField(
            label, widget=NumberInput(min=bounds.get("ge"), max=bounds.get("le")), description=hint
        )
    if get_origin(kind) is list:
        return StringField(label, description=hint or "Separate several with commas.")
    return (TextAreaField if bounds.get("longest", 0) > LONG_TEXT else StringField)(label, description=hint)


def _yes_or_no(info: FieldInfo, label: str, hint: str) -> Field:
    # An unticked box is not sent, so it could not be told from a row that never had it.
    if info.default is True:
        return SelectField(label, choices=offered(YES_OR_NO), description=hint)
    return BooleanField(label, description=hint)


def _kind(info: FieldInfo) -> Any:
    """The plain type inside of `X | None` and Annotated."""
    kind: Any = info.annotation
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) is not Literal and get_origin(kind) is not list and len(parts) == 1:
        kind = parts[0]
    while hasattr(kind, "__metadata__"):
        kind = getattr(kind, "__origin__", None)
    return kind


def _bounds(info: FieldInfo) -> dict[str, int]:
    found: dict[str, int] = {}
    for mark in info.metadata:
        if isinstance(mark, Ge) and isinstance(mark.ge, int):
            found["ge"] = mark.ge
        elif isinstance(mark, Le) and isinstance(mark.le, int):
            found["le"] = mark.le
        elif isinstance(mark, MaxLen):
            found["longest"] = mark.max_length
    return found


def defaults(infos: Mapping[str, FieldInfo]) -> dict[str, str | bool]:
    """Initial values of the inputs of a new action."""
    values = {
        name: info.get_default(call_default_factory=True)
        for name, info in infos.items()
        if not info.is_required()
    }
    return {
        name: False if value is False else text_of(value)
        for name, value in values.items()
        if value is not None
    }


def value_of(info: FieldInfo, data: str | bool | None) -> Json:
    """The parameter as stored in rules; None where it is left out."""
    kind = _kind(info)
    if kind is bool:
        return {"yes": True, "no": False}.get(data, data) if isinstance(data, str) else bool(data)
    text = str(data or "").strip()
    if get_origin(kind) is list:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [*map(_number, parts)] or None if _is_ids(kind) else [*parts]
    if text == "":
        return None
    return _number(text) if kind is int else text


def _is_ids(kind: type) -> bool:
    inner = get_args(kind)[0]
    return getattr(inner, "__origin__", inner) is int


def _number(text: str) -> int | str:
    """Text that is not a number stays text: the rule's validation refuses it by name."""
    number = whole_number(text)
    return text if number is None else number


def text_of(value: Json) -> str:
    """A parameter as text for its input."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
