"""Actions in the rule form: an ordered list, each with the inputs declared in its catalogue entry."""

from dataclasses import dataclass, field
from typing import Any

from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectField
from wtforms.fields.choices import SelectChoice

from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import input_type
from app.business.automation.services.rules.fitting_actions import fitting_actions
from app.modules.automation.rule_form.actions.edits import order_of
from app.modules.automation.rule_form.actions.params import Lookups, defaults, input_for, value_of
from app.modules.automation.rule_form.base import Pairs, PartForm, form_data, offered
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.conditions.row import Named
from app.modules.automation.rule_form.conditions.tree import ConditionTree

ON_ERROR = [("stop", "Stop the run there"), ("continue", "Go on with the next action")]


@dataclass
class Before:
    """Types of the actions before one, and the record types that they create."""

    made: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


def _choices(fitting: list[AnyAction], chosen: AnyAction) -> list[SelectChoice]:
    """The fitting actions; and the selected one even if it does not fit any more, so that it can be seen and
    changed."""
    choices = [(entry.key, entry.label) for entry in fitting]
    if chosen in fitting:
        return offered(choices)
    return offered({"Does not fit here": [(chosen.key, chosen.label)], "Fits here": choices})


class ActionRow:
    """One action: its type, the inputs of its parameters, and the conditions on its records (`when`)."""

    when: ConditionTree

    def __init__(
        self,
        number: int,
        data: MultiDict[str, str],
        lookups: Lookups,
        record_type: str | None,
        before: "Before",
    ) -> None:
        self.number, prefix = number, f"a{number}-"
        self.chosen = data.get(f"{prefix}type") or ""
        fitting = fitting_actions(record_type, before.made, before.types)
        self.entry = CATALOGUE.get(self.chosen) or fitting[0]
        infos = self.entry.params.model_fields
        self.inputs = self.entry.inputs
        if record_type:
            lookups = {**lookups, "status": list(choices_of(record_type, "status"))}
        params = {name: input_for(self.inputs[name], info, lookups) for name, info in infos.items()}
        fields = {
            "type": SelectField("Action", choices=_choices(fitting, self.entry)),
            "on_error": SelectField("If it fails", choices=offered(ON_ERROR)),
            **{f"p-{name}": field for name, field in params.items()},
        }
        # A new row is filled with the defaults of its parameters, a submitted one with its input.
        is_sent = self.is_sent = f"{prefix}sent" in data and data.get(f"{prefix}sent") == self.entry.key
        known = data if is_sent else MultiDict([(f"{prefix}type", self.entry.key)])
        self.form: Any = type("Action", (PartForm,), fields)(formdata=known, prefix=prefix)
        for name, value in defaults(infos).items():
            # Also inputs that were not in the submitted row, because they belong to another type.
            if not is_sent or (f"{prefix}p-{name}" not in data and value is not False):
                self.form[f"p-{name}"].data = value
        for name, info in infos.items():
            if info.is_required() or isinstance(info.default, int):
                self.form[f"p-{name}"].flags.required = True

    @property
    def params(self) -> list[Field]:
        """Inputs of the parameters that most people need."""
        return [field for name, field in self._params() if not self.inputs[name].more]

    @property
    def more(self) -> list[Field]:
        """Inputs of the parameters that few people need."""
        return [field for name, field in self._params() if self.inputs[name].more]

    @property
    def makes(self) -> str | None:
        """The record type that it creates."""
        return self._created() if self.entry.kind_from else self.entry.makes

    @property
    def has_records(self) -> bool:
        """Whether it works record by record, so that it may leave some out."""
        return bool(self.when.record_type and self.entry.unit_of != "run") or bool(self.when.rows)

    def read_when(self, pairs: Pairs, named: Named, record_type: str | None, made: list[str]) -> None:
        """Read the conditions of the action, now that its input type is known."""
        taken = input_type(self.entry.stored(self.json_without_when()), record_type, made)
        self.when = ConditionTree(pairs, taken or self.entry.needed, named, f"a{self.number}-when-")

    def missing(self) -> list[Field]:
        """Required inputs that are empty."""
        infos = self.entry.params.model_fields
        return [field for name, field in self._params() if infos[name].is_required() and not field.data]

    def json(self) -> JsonObject:
        """The action as stored in rules."""
        action = self.json_without_when()
        if when := self.when.json():
            action["when"] = when
        return action

    def json_without_when(self) -> JsonObject:
        """Type, parameters and `on_error`; empty inputs are left out."""
        infos = self.entry.params.model_fields
        values = {name: value_of(infos[name], field.data) for name, field in self._params()}
        action: JsonObject = {
            "type": self.entry.key,
            "params": {name: value for name, value in values.items() if value is not None},
        }
        if self.form.on_error.data == "continue":
            action["on_error"] = "continue"
        return action

    def _params(self) -> list[tuple[str, Field]]:
        infos = self.entry.params.model_fields.items()
        return [(name, self.form[f"p-{name}"]) for name, info in infos if self._fits(info)]

    def _fits(self, info: FieldInfo) -> bool:
        """Whether the record type to be created has this parameter."""
        only = info.json_schema_extra
        return not isinstance(only, dict) or only.get("for_type") == self._created()

    def _created(self) -> str:
        field = self.form[f"p-{self.entry.kind_from}"]
        return str(field.data or field.choices[0].value)


class ActionsInput:
    """All actions of the form, in order. record_type: of the rule, None without records."""

    def __init__(self, pairs: Pairs, choices: Choices, record_type: str | None) -> None:
        data = form_data(pairs)
        self.rows: list[ActionRow] = []
        before = Before()
        for number in order_of(pairs):
            row = ActionRow(number, data, choices.lookups, record_type, before)
            row.read_when(pairs, choices.named, record_type, before.made)
            self.rows.append(row)
            before.made += [row.makes] if row.makes else []
            before.types.append(row.entry.key)

    def json(self) -> list[JsonObject]:
        """The list as stored in rules."""
        return [row.json() for row in self.rows]

    def fields_by_path(self) -> dict[str, Field]:
        """Path in the JSON -> input, so that errors can be shown beside their input."""
        places: dict[str, Field] = {}
        for index, row in enumerate(self.rows):
            places |= {f"actions[{index}]": row.form.type, f"actions[{index}].on_error": row.form.on_error}
            places |= {f"actions[{index}].params.{name}": field for name, field in row._params()}
            places |= row.when.fields_by_path(f"actions[{index}].when")
        return places
