"""Shared by all forms: clean text, one set of messages, the choice of a time zone."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import (
    DecimalField,
    Field,
    FloatField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.core import UnboundField
from wtforms.form import BaseForm
from wtforms.validators import DataRequired, Length, NumberRange, StopValidation, ValidationError

from app.business.errors import Invalid
from app.business.folding import without_invisible
from app.business.plain_characters import CONTROL, fault_of_body, fault_of_line
from app.business.time_zones import check_time_zone, time_zones, zone_of_place
from app.modules.gate.numbers import is_decimal, is_whole

SELECTS = 64
"""Of which a process keeps the options."""


class Required(DataRequired):
    """Refuses an empty field. Zero is a number that was entered: whether it is allowed, bounds tell."""

    def __call__(self, form: FlaskForm, field: Field) -> None:
        if field.data != 0 or isinstance(field.data, bool):
            super().__call__(form, field)


def required(what: str) -> Required:
    """`required("a name")` refuses an empty field with "Enter a name."."""
    return Required(f"Enter {what}.")


def at_most(characters: int) -> Length:
    """Refuses longer text and says how long it may be."""
    return Length(max=characters, message=f"Use at most {characters:,} characters.")


def between(low: int, high: int) -> NumberRange:
    """Refuses a number outside `low` to `high`, both included."""
    return NumberRange(low, high, f"Enter a number from {low:,} to {high:,}.")


class SpacedField(StringField):
    """A line of text in which spaces at the ends are significant."""


class ConsoleForm(FlaskForm):
    """Base for all forms: outer spaces are dropped, control characters are refused beside the field."""

    class Meta(FlaskForm.Meta):
        """Applies to every text field, so that no form can forget it."""

        def bind_field(self, form: BaseForm, unbound_field: UnboundField, options: dict[str, Any]) -> Field:
            """Create the field; text is stripped (a password is not) and checked first."""
            field = super().bind_field(form, unbound_field, options)
            if isinstance(field, IntegerField | FloatField | DecimalField):
                field.validators = (plain_number, *field.validators)
            if isinstance(field, StringField):
                field.validators = (printable, *field.validators)
                if not isinstance(field, PasswordField | SpacedField):
                    field.filters = (_strip, *field.filters)
            return field


class FilterForm(ConsoleForm):
    """A filter in the address: sent by GET, without a token; invalid values are ignored."""

    class Meta(ConsoleForm.Meta):
        """No token: reading changes nothing."""

        csrf = False

    _chosen: dict[str, Any] | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formdata=request.args, **kwargs)

    def chosen(self) -> dict[str, Any]:
        """The valid, non-empty values by field name."""
        if self._chosen is None:
            # What the address leaves out needs no check, which would go through all that a select offers.
            sent = {
                name: field for name, field in self._fields.items() if field.data or any(field.raw_data or ())
            }
            self._chosen = {
                name: field.data for name, field in sent.items() if field.validate(self) and field.data
            }
        return dict(self._chosen)


def options_of(field: Field) -> Markup | None:
    """The options of a select; None for other fields, and for one with groups, which WTForms draws."""
    if not isinstance(field, SelectField) or isinstance(field, SelectMultipleField):
        return None
    choices = field.choices or ()
    if any(choice.optgroup for choice in choices):
        return None
    chosen = next((choice.value for choice in choices if field.coerce(choice.value) == field.data), None)
    return _options(tuple((choice.value, choice.label) for choice in choices), chosen)


@lru_cache(maxsize=SELECTS)
def _options(offered: tuple[tuple[str, str], ...], chosen: str | None) -> Markup:
    """Kept, for the same thousand rules are offered to everybody of an account on each page."""
    return Markup().join(
        Markup('<option {}value="{}">{}</option>').format(
            "selected " if value == chosen else "", value, label
        )
        for value, label in offered
    )


class TimezoneField(StringField):
    """A time zone, searched for by typing part of its name. A place alone will do where only one zone has it.

    may_be_empty: for what has a zone of its own only where it differs from that of the account.
    """

    def __init__(self, label: str = "Time zone", *, may_be_empty: bool = False, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.flags.required = not may_be_empty

    @property
    def offered(self) -> Sequence[tuple[str, str]]:
        """Name and search words of each zone that is named after a place."""
        return _places()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Resolve the name as typed, `new york` to America/New_York."""
        if valuelist:
            self.data = zone_of_place(valuelist[0]) or valuelist[0]

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse an unknown zone, naming the nearest ones."""
        if not self.data and not self.flags.required:
            return
        try:
            check_time_zone(self.data or "")
        except Invalid as refusal:
            raise ValidationError(refusal.message) from refusal


def printable(_form: FlaskForm, field: Field) -> None:
    """Refuse control characters (NUL breaks PostgreSQL) and, on one line, line ends and direction characters."""
    text, is_body = field.data or "", isinstance(field, TextAreaField)
    # A password is never shown.
    fault = fault_of_body(text) if is_body or isinstance(field, PasswordField) else fault_of_line(text)
    if fault or (not is_body and any(sign in "\t\r\n" for sign in text)):
        raise ValidationError(fault or CONTROL)


def plain_number(_form: FlaskForm, field: Field) -> None:
    """Refuse what Python calls a number and people do not ("²", "1_000"), and what no column can hold."""
    text = (field.raw_data or [""])[0]
    if not isinstance(text, str) or not text.strip():
        return
    field.errors = []  # The conversion's own message is replaced below.
    if isinstance(field, IntegerField) and not is_whole(text):
        raise StopValidation("Enter a whole number.")
    if not is_decimal(text):
        raise StopValidation("Enter a number, like 12.5.")


def _strip(value: str | None) -> str | None:
    """Without outer spaces; invisible characters alone are empty."""
    if not value:
        return value
    return value.strip() if without_invisible(value).strip() else ""


@cache
def _places() -> Sequence[tuple[str, str]]:
    named = [name for name in time_zones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))]
    return [("UTC", "UTC"), *((name, name.replace("_", " ").replace("/", ", ")) for name in named)]
