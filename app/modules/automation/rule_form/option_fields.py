"""Inputs for options of a rule, as `RuleFields` declares them: label, explanation, bounds, choices and default."""

from collections.abc import Callable
from typing import Any

from wtforms import IntegerField, RadioField, SelectField, StringField

from app.business.automation.services.rules.fields import OPTIONS, bounds_of, longest_of, usual
from app.modules.automation.rule_form.base import offered
from app.modules.forms import at_most, between


class NumberField(IntegerField):
    """A whole number; says so in our words."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take what was typed."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("Enter a whole number.") from None


def number_input(name: str, *checks: Callable[..., None]) -> NumberField:
    """A whole number within its bounds. `checks` come first, like that it may be left empty."""
    option = OPTIONS[name]
    checks = (*checks, between(*bounds_of(name)))
    return NumberField(option.asked, checks, default=usual(name), description=option.hint)


def text_input(name: str, kind: type[StringField], *checks: Callable[..., None]) -> StringField:
    """A text, at most as long as a rule takes it."""
    return kind(OPTIONS[name].asked, [*checks, at_most(longest_of(name))], description=OPTIONS[name].hint)


def choice_input(
    name: str,
    kind: type[SelectField] | type[RadioField] = SelectField,
    label: str | None = None,
    also: tuple[tuple[str, str], ...] = (),
    **more: Any,
) -> SelectField | RadioField:
    """`label`: where this step asks in other words · `also`: choices that only this step has."""
    option = OPTIONS[name]
    return kind(label or option.asked, choices=offered([*option.choices, *also]), **more)
