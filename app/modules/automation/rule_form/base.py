"""Shared by the steps of the rule form: forms filled from stored input, and errors placed beside their fields."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, Form, FormField, IntegerField, SelectMultipleField
from wtforms.fields.choices import SelectChoice, SelectFieldBase

from app.business.automation.services.rule_parts import JsonObject
from app.modules.automation.rule_form.choices import Choices
from app.modules.forms import ConsoleForm
from app.modules.gate.numbers import is_whole

Pairs = list[list[str]]
Choice = tuple[str, str]


class RuleSoFar(Protocol):
    """What a step needs to know about the account and the steps before it."""

    choices: Choices

    @property
    def timezone(self) -> str:
        """Name of the account's time zone."""

    @property
    def trigger(self) -> str:
        """Key of the trigger."""

    @property
    def fixed_record_type(self) -> str | None:
        """The record type of the trigger; None where the rule chooses."""

    @property
    def working_record_type(self) -> str | None:
        """The record type of the rule; None without records."""


class StepForm:
    """One step of the rule form: reads the input, and provides its fields of the rule.

    Each step has the methods declared without a body. They are declared to the type checker alone, because a form of
    WTForms, whose class has a metaclass of its own, cannot be derived from an abstract class.
    """

    places: ClassVar[Mapping[str, str]] = {}
    """Rule field -> form field, where their names differ; errors of other fields are shown beside the first."""

    if TYPE_CHECKING:

        @classmethod
        def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
            """The step with its input; None: not answered yet."""

        @classmethod
        def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
            """The input for this rule."""

        def validate(self) -> bool:
            """Add an error to each invalid field; everything else is validated with the rule."""

        def part(self) -> JsonObject:
            """The rule's fields of this step."""

        def fields_by_path(self) -> dict[str, Field]:
            """Path in the rule -> field of the form."""

    @classmethod
    def is_answer(cls, pairs: Pairs) -> bool:
        """Whether this input is an answer to the step; it may be for another trigger, with other questions."""
        return True

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        """Placeholder for the step's fields while it has no answer."""
        return {}


class PartForm(ConsoleForm):
    """A form without a CSRF token: that of the page around it has been checked already."""

    class Meta(ConsoleForm.Meta):
        """Stored input is read again later, when its token has expired."""

        csrf = False


def form_data(pairs: Iterable[Sequence[str]]) -> MultiDict[str, str]:
    """Stored input in the format of forms."""
    return MultiDict([(name, value) for name, value in pairs])


def pairs_of(form: Form) -> Pairs:
    """A form filled from values, as the browser would send it."""
    return [pair for field in form for pair in _field_pairs(field)]


def _field_pairs(field: Field) -> Pairs:
    if isinstance(field, FormField):
        return pairs_of(field.form)
    if isinstance(field, BooleanField):
        return [[field.name, "y"]] if field.data else []
    if isinstance(field, SelectMultipleField):
        return [[field.name, str(value)] for value in field.data or ()]
    value = field._value() if hasattr(field, "_value") else field.data
    return [[field.name, "" if value is None else str(value)]]


def is_forged(form: Form) -> bool:
    """Whether it contains values that no browser sends: choices that were not offered, or text in number fields."""
    return any(_is_forged(field) for field in form)


def _is_forged(field: Field) -> bool:
    sent = [text for text in field.raw_data or () if text]
    if isinstance(field, SelectFieldBase):
        offered = {str(choice.value) for choice in field.choices or ()}
        return any(text not in offered for text in sent)
    return isinstance(field, IntegerField) and any(not is_whole(text) for text in sent)


def add_error(field: Field, message: str) -> None:
    """Show `message` beside the field."""
    field.errors = [*field.errors, message]


def place_errors(errors: Mapping[str, Sequence[str]], fields: Mapping[str, Field]) -> None:
    """Show each error beside the field with the longest matching path."""
    for path, messages in errors.items():
        known = [name for name in fields if path == name or path.startswith((f"{name}.", f"{name}["))]
        field = fields[max(known, key=len)] if known else next(iter(fields.values()))
        for message in messages:
            add_error(field, message)


def focus_first_error(fields: Iterable[Field]) -> None:
    """Set the focus on the first field with an error, also without script."""
    for field in fields:
        if field.errors:
            field.render_kw = {**(field.render_kw or {}), "autofocus": True}
            return


def ask_again(fields: Iterable[Field], address: str, redrawn: Mapping[str, str]) -> None:
    """Validate each field with an error again when it changes, so that the error disappears once it is fixed."""
    checks = {
        "hx-post": address,
        "hx-trigger": "change",
        "hx-vals": '{"change": "refresh"}',
        "hx-swap": "outerMorph",
        "hx-sync": "closest form:queue all",
        **redrawn,
    }
    for field in fields:
        if field.errors:
            field.render_kw = {**(field.render_kw or {}), **checks}


def offered(choices: Iterable[Choice] | Mapping[str, Iterable[Choice]]) -> list[SelectChoice]:
    """Pairs of value and label, or groups of them by title, as WTForms needs them."""
    if isinstance(choices, Mapping):
        return [
            SelectChoice(value, label, optgroup=title or None)
            for title, group in choices.items()
            for value, label in group
        ]
    return [SelectChoice(value, label) for value, label in choices]


def optional(choices: Iterable[Choice], none: str) -> list[Choice]:
    """Choices with an empty first one."""
    return [("", none), *choices]
