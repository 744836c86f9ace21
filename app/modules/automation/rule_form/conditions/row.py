"""One condition in the rule form: field, operator, the inputs of its value, and its JSON."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wtforms import Field, HiddenField, SelectField, StringField

from app.business.automation.services.catalogue.field_types import FieldType
from app.business.automation.services.catalogue.incoming_fields import PREFIX
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.nodes import EMPTINESS
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.errors import Invalid
from app.modules.automation.rule_form.base import PartForm, form_data, offered
from app.modules.automation.rule_form.conditions.fields import (
    COUNT,
    OF_MESSAGE,
    field_choices,
    field_named,
    other_fields,
)
from app.modules.automation.rule_form.conditions.value import (
    OTHER,
    Offered,
    operator_choices,
    value_fields,
    value_of,
)

if TYPE_CHECKING:
    from app.modules.automation.rule_form.conditions.tree import ConditionTree

Named = Callable[[str], list[tuple[str, str]]]
GONE = "Not there any more"


class ConditionRow:
    """`form`: its inputs, `where`: conditions of its count, `kept`: JSON of a condition that the form has no inputs
    for."""

    is_group = False
    where: "ConditionTree | None" = None
    number = 0
    """Its number among the conditions, from 1, as in error messages."""

    def __init__(
        self,
        name: str,
        typed: list[tuple[str, str]],
        record_type: str | None,
        named: Named,
        *,
        may_count: bool,
        outside: str | None = None,
    ) -> None:
        """`name`: its prefix and number (`a0-when-c3`), `typed`: its own fields by their keys."""
        self.name, self.record_type, self.may_count = name, record_type, may_count
        keys = dict(typed)
        chosen = keys.get("field", "")
        self.about = field_named(record_type, chosen)
        # A removed field keeps its name, so that the rule's validation refuses it.
        self.field_name = chosen or self.about.name
        self.is_count = chosen.startswith(COUNT)
        self.kept = keys.get("kept")
        asked = operator_choices(self.about, is_count=self.is_count)
        self.operator = _known(keys.get("operator"), asked)
        fields = {
            "case": HiddenField(),
            "bare": HiddenField(),
            "kept": HiddenField("Condition"),
            "field": SelectField("Field", choices=offered(_fields(record_type, self.field_name, may_count))),
            "operator": SelectField("Question", choices=offered(asked)),
            **value_fields(
                self.about,
                self.operator,
                named,
                other_fields(record_type, self.about.type, self.about.name, outside),
            ),
        }
        if chosen in OF_MESSAGE:
            fields["path"] = StringField("Place in the message", description="Such as order.total")
        data = form_data([f"{name}-{key}", value] for key, value in typed)
        self.form: Any = type("Row", (PartForm,), fields)(formdata=data, prefix=f"{name}-")

    @property
    def inputs(self) -> list[Field]:
        """The inputs of the value, in order; before them the place of a message's value."""
        return [self.form[name] for name in ("path", "value", "value2", "unit") if name in self.form]

    @property
    def counted(self) -> str | None:
        """The record type that it counts, where conditions on these records are possible."""
        _, _, rest = self.field_name.partition(COUNT)
        return rest.rpartition("/")[2] if rest and ":" not in rest else None

    @property
    def said(self) -> str:
        """The condition in words, where the form has no inputs for it."""
        try:
            return describe(parse_conditions(self.json(), record_type=self.record_type), self.record_type)
        except Invalid:
            return "A condition that needs repair. Remove it, and add it again"

    def json(self) -> Json:
        """The condition as stored in rules."""
        if self.kept is not None:
            return _read(self.kept)
        operator = self.operator.removesuffix(OTHER)
        value = value_of(self.about, self.operator, self.form.data)
        is_bare = bool(self.form.bare.data)
        if self.is_count:
            where = self._where()
            of, _, counted = self.field_name.split(":")[1].rpartition("/")
            leaf: JsonObject = {"count": counted}
            if of:
                leaf["of"] = of
            if where or not is_bare:
                leaf["where"] = where
            leaf |= {"operator": operator, "value": value}
            return leaf
        of_message = f"{PREFIX}{(self.form.path.data or '').strip()}" if "path" in self.form else ""
        leaf = {} if is_bare else {"field": of_message or self.field_name}
        leaf["operator"] = operator
        if operator in EMPTINESS:
            return leaf
        leaf["value"] = value
        is_text = self.about.type in (FieldType.TEXT, FieldType.LIST)
        if is_text and self.form.case.data != "exact":
            leaf["ignore_case"] = True
        return leaf

    def places(self, path: str) -> dict[str, Field]:
        """Path in the JSON -> input, so that errors can be shown beside their input."""
        if self.kept is not None:
            return {path: self.form.kept}
        found = {path: self.form.field, f"{path}.field": self.form.field, f"{path}.count": self.form.field}
        found[f"{path}.operator"] = self.form.operator
        asked = self.inputs
        if "path" in self.form:
            found[f"{path}.field"] = asked.pop(0)
        found[f"{path}.value"] = asked[0] if asked else self.form.operator
        return found | (self.where.fields_by_path(f"{path}.where") if self.where else {})

    def _where(self) -> Json:
        _, _, *status = self.field_name.split(":")
        if status:
            return {"field": "status", "operator": "eq", "value": status[0]}
        return self.where.json() if self.where else {}


def _fields(record_type: str | None, chosen: str, may_count: bool) -> dict[str, list[tuple[str, str]]]:
    choices = field_choices(record_type, may_count)
    if any(chosen == name for group in choices.values() for name, _ in group):
        return choices
    return {GONE: [(chosen, chosen.removeprefix(COUNT))]} | choices


def _known(operator: str | None, asked: Offered) -> str:
    groups = asked.values() if isinstance(asked, dict) else [asked]
    names = [str(name) for group in groups for name, _ in group]
    return operator if operator in names else names[0]


def _read(text: str) -> Json:
    """A condition kept as JSON; invalid JSON is refused by the rule's validation."""
    try:
        read: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read
