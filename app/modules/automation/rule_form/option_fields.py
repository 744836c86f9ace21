"""Inputs for options of a rule, from their declaration in `RuleFields`: label, hint, bounds, choices and default."""

from collections.abc import Callable
from typing import Any

from wtforms import IntegerField, RadioField, SelectField, StringField

from app.business.automation.services.rules.fields import OPTIONS, bounds_of, longest_of, usual
from app.modules.automation.rule_form.base import offered
from app.modules.forms import at_most, between


class NumberField(IntegerField):
    """An integer field with our own error message."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("Enter a whole number.") from None


def number_input(name: str, *checks: Callable[..., None]) -> NumberField:
    """An integer within its bounds. `checks` come first, such as Optional."""
    option = OPTIONS[name]
    checks = (*checks, between(*bounds_of(name)))
    return NumberField(option.asked, checks, default=usual(name), description=option.hint)


def text_input(name: str, kind: type[StringField], *checks: Callable[..., None]) -> StringField:
    """A text with the maximum length of the option."""
    return kind(OPTIONS[name].asked, [*checks, at_most(longest_of(name))], description=OPTIONS[name].hint)


def choice_input(
    name: str,
    kind: type[SelectField] | type[RadioField] = SelectField,
    label: str | None = None,
    also: tuple[tuple[str, str], ...] = (),
    **more: Any,
) -> SelectField | RadioField:
    """`label`: where this step uses other words · `also`: choices that only this step has."""
    option = OPTIONS[name]
    return kind(label or option.asked, choices=offered([*option.choices, *also]), **more)
