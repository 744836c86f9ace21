"""Actions in the rule form: an ordered list, each with the inputs that its catalogue entry asks for."""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, HiddenField, SelectField, StringField, TextAreaField
from wtforms.widgets import NumberInput

from app.business.automation.services.action_catalogue import CATALOGUE
from app.modules.automation.action_words import HINTS, LABELS, LITERALS, MORE
from app.modules.automation.step_form import Pairs, PartForm, form_data, offered, optional

ON_ERROR = [("stop", "Stop the run there"), ("continue", "Go on with the next action")]
LONG_TEXT = 300
FIRST = "cluster_keywords"

Lookups = Mapping[str, list[tuple[str, str]]]
"""Choices for parameters that name a row: parameter -> (id, name)."""


class ActionRow:
    """One action: its type and the inputs of its parameters."""

    def __init__(self, number: int, data: MultiDict[str, str], lookups: Lookups) -> None:
        self.number, prefix = number, f"a{number}-"
        chosen = data.get(f"{prefix}type") or ""
        self.entry = CATALOGUE.get(chosen) or CATALOGUE[FIRST]
        params = {name: _field(name, info, lookups) for name, info in self.entry.params.model_fields.items()}
        fields = {
            "type": SelectField(
                "Action", choices=offered([(entry.key, entry.label) for entry in CATALOGUE.values()])
            ),
            "on_error": SelectField("If it fails", choices=offered(ON_ERROR)),
            "when": HiddenField(),
            **{f"p-{name}": field for name, field in params.items()},
        }
        # A new row is filled with the defaults of its parameters, one that was sent with what was typed.
        is_sent = f"{prefix}sent" in data and data.get(f"{prefix}sent") == self.entry.key
        known = data if is_sent else MultiDict([(f"{prefix}type", self.entry.key)])
        defaults = {} if is_sent else _defaults(self.entry.params.model_fields)
        self.form = type("Action", (PartForm,), fields)(formdata=known, prefix=prefix)
        for name, value in defaults.items():
            self.form[f"p-{name}"].data = value
        for name, info in self.entry.params.model_fields.items():
            if info.is_required() or isinstance(info.default, int):
                self.form[f"p-{name}"].flags.required = True

    @property
    def params(self) -> list[Field]:
        """Inputs of the parameters that most people need."""
        return [field for name, field in self._params() if name not in MORE]

    @property
    def more(self) -> list[Field]:
        """Inputs of the parameters that few people need."""
        return [field for name, field in self._params() if name in MORE]

    def missing(self) -> list[Field]:
        """Inputs that the action cannot do without, and that are empty."""
        infos = self.entry.params.model_fields
        return [field for name, field in self._params() if infos[name].is_required() and not field.data]

    def json(self) -> dict[str, Any]:
        """The action as a rule keeps it; empty inputs are left out."""
        infos = self.entry.params.model_fields
        values = {name: _value(infos[name], field.data) for name, field in self._params()}
        action: dict[str, Any] = {
            "type": self.entry.key,
            "params": {name: value for name, value in values.items() if value is not None},
        }
        if self.form.on_error.data == "continue":
            action["on_error"] = "continue"
        return action | ({"when": json.loads(self.form.when.data)} if self.form.when.data else {})

    def _params(self) -> list[tuple[str, Field]]:
        return [(name, self.form[f"p-{name}"]) for name in self.entry.params.model_fields]


class ActionsInput:
    """All actions of the form, in order."""

    def __init__(self, pairs: Pairs, lookups: Lookups) -> None:
        data = form_data(pairs)
        self.rows = [ActionRow(number, data, lookups) for number in order_of(pairs)]

    def json(self) -> list[dict[str, Any]]:
        """The list as a rule keeps it."""
        return [row.json() for row in self.rows]

    def fields_by_path(self) -> dict[str, Field]:
        """Where each input stands in the JSON, so that a refusal can be shown beside it."""
        places: dict[str, Field] = {}
        for index, row in enumerate(self.rows):
            places |= {f"actions[{index}]": row.form.type, f"actions[{index}].on_error": row.form.on_error}
            places |= {f"actions[{index}].params.{name}": field for name, field in row._params()}
        return places


def order_of(pairs: Pairs) -> list[int]:
    """Numbers of the actions in their order."""
    numbers = [name[1:-5] for name, _ in pairs if name.startswith("a") and name.endswith("-type")]
    return [int(number) for number in numbers if number.isdigit()]


def changed(pairs: Pairs, change: str) -> Pairs:
    """The input after "Add", "Remove", "Up" or "Down"; what was typed stays."""
    what, _, number = change.partition(":")
    order = order_of(pairs)
    if what == "add":
        return [*pairs, [f"a{max(order, default=-1) + 1}-type", FIRST]]
    if what == "remove":
        return [pair for pair in pairs if not pair[0].startswith(f"a{number}-")]
    if what in ("up", "down") and number.isdigit() and int(number) in order:
        return _moved(pairs, order, int(number), -1 if what == "up" else 1)
    return pairs


def pairs_from(actions: list[dict[str, Any]]) -> Pairs:
    """The input that stands for these actions."""
    pairs: Pairs = []
    for number, action in enumerate(actions):
        prefix = f"a{number}-"
        pairs += [[f"{prefix}type", action["type"]], [f"{prefix}sent", action["type"]]]
        pairs.append([f"{prefix}on_error", action.get("on_error", "stop")])
        if action.get("when"):
            pairs.append([f"{prefix}when", json.dumps(action["when"])])
        pairs += [
            [f"{prefix}p-{name}", _text(value)]
            for name, value in action.get("params", {}).items()
            if value is not False
        ]
    return pairs


def _moved(pairs: Pairs, order: list[int], number: int, by: int) -> Pairs:
    at = order.index(number)
    to = min(max(at + by, 0), len(order) - 1)
    order[at], order[to] = order[to], order[at]
    rest = [pair for pair in pairs if not any(pair[0].startswith(f"a{one}-") for one in order)]
    return rest + [pair for one in order for pair in pairs if pair[0].startswith(f"a{one}-")]


def _field(name: str, info: FieldInfo, lookups: Lookups) -> Field:
    label, hint = LABELS.get(name, name.replace("_", " ").capitalize()), HINTS.get(name, "")
    kind, bounds = _kind(info), _bounds(info)
    if name in lookups:
        return SelectField(label, choices=offered(optional(lookups[name], "–")), description=hint)
    if get_origin(kind) is Literal:
        choices = [(value, LITERALS.get(value, str(value).capitalize())) for value in get_args(kind)]
        return SelectField(
            label,
            choices=offered(choices if info.is_required() else _with_none(info, choices)),
            description=hint,
        )
    if kind is bool:
        return BooleanField(label, description=hint)
    if kind is int:
        return StringField(
            label, widget=NumberInput(min=bounds.get("ge"), max=bounds.get("le")), description=hint
        )
    if get_origin(kind) is list:
        return StringField(label, description=hint or "Separate several with commas.")
    return (TextAreaField if bounds.get("longest", 0) > LONG_TEXT else StringField)(label, description=hint)


def _with_none(info: FieldInfo, choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return optional(choices, "Everybody") if info.default is None else choices


def _kind(info: FieldInfo) -> Any:
    """The plain type behind `X | None` and Annotated."""
    kind: Any = info.annotation
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) is not Literal and get_origin(kind) is not list and len(parts) == 1:
        kind = parts[0]
    while hasattr(kind, "__metadata__"):
        kind = getattr(kind, "__origin__", None)
    return kind


def _bounds(info: FieldInfo) -> dict[str, int]:
    found: dict[str, Any] = {}
    for mark in info.metadata:
        if isinstance(mark, Ge):
            found["ge"] = mark.ge
        elif isinstance(mark, Le):
            found["le"] = mark.le
        elif isinstance(mark, MaxLen):
            found["longest"] = mark.max_length
    return found


def _defaults(infos: Mapping[str, FieldInfo]) -> dict[str, Any]:
    values = {
        name: info.get_default(call_default_factory=True)
        for name, info in infos.items()
        if not info.is_required()
    }
    return {
        name: value if isinstance(value, bool) else _text(value)
        for name, value in values.items()
        if value is not None
    }


def _value(info: FieldInfo, data: Any) -> Any:
    kind = _kind(info)
    if kind is bool:
        return bool(data)
    text = (data or "").strip()
    if get_origin(kind) is list:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [_number(part) for part in parts] or None if _is_ids(kind) else parts
    if text == "":
        return None
    return _number(text) if kind is int else text


def _is_ids(kind: Any) -> bool:
    inner = get_args(kind)[0]
    return getattr(inner, "__origin__", inner) is int


def _number(text: str) -> Any:
    """Text that is no number stays text: the check of the rule refuses it by name."""
    return int(text) if text.lstrip("-").isdigit() else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "y"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
