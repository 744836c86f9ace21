"""What the forms of all pages share: clean text, one set of messages, the choice of a time zone."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask import request
from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, NumberRange, ValidationError

NOT_PRINTABLE = "Remove the invisible control characters: this text contains one that cannot be stored."


def required(what: str) -> DataRequired:
    """`required("a name")` refuses an empty field with "Enter a name."."""
    return DataRequired(f"Enter {what}.")


def at_most(characters: int) -> Length:
    """Refuses longer text and says how long it may be."""
    return Length(max=characters, message=f"Use at most {characters:,} characters.")


def between(low: int, high: int) -> NumberRange:
    """Refuses a number outside `low` to `high`, both included."""
    return NumberRange(low, high, f"Enter a number from {low:,} to {high:,}.")


class ConsoleForm(FlaskForm):
    """Base of all forms: spaces around text are dropped, control characters are refused beside the field."""

    class Meta(FlaskForm.Meta):
        """Applies to every text field, so that no form can forget it."""

        def bind_field(self, form: Any, unbound_field: Any, options: dict[str, Any]) -> Field:
            """Make the field; text is stripped (a password is not) and checked before all else."""
            field = super().bind_field(form, unbound_field, options)
            if isinstance(field, StringField):
                field.validators = (printable, *field.validators)
                if not isinstance(field, PasswordField):
                    field.filters = (_strip, *field.filters)
            return field


class FilterForm(ConsoleForm):
    """A filter kept in the address: sent by GET, without a token; what is not valid is left out."""

    class Meta(ConsoleForm.Meta):
        """No token: reading changes nothing."""

        csrf = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formdata=request.args, **kwargs)

    def chosen(self) -> dict[str, Any]:
        """The valid, non-empty values by field name."""
        self.validate()
        return {name: field.data for name, field in self._fields.items() if field.data and not field.errors}


class TimezoneField(SelectField):
    """Every time zone this machine knows, grouped by continent."""

    def __init__(self, label: str = "Time zone", validators: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(label, validators, choices=_zones(), **kwargs)


def printable(form: FlaskForm, field: Field) -> None:
    """Refuse control characters (NUL breaks PostgreSQL); line breaks are allowed in text areas only."""
    allowed = "\t\r\n" if isinstance(field, TextAreaField) else ""
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in allowed for sign in field.data or ""):
        raise ValidationError(NOT_PRINTABLE)


def _strip(value: str | None) -> str | None:
    return value.strip() if value else value


@cache
def _zones() -> dict[str, str | dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for name in sorted(available_timezones() - {"UTC", "localtime", "Factory"}):
        region, _, place = name.partition("/")
        groups.setdefault(region if place else "Other", {})[name] = (place or name).replace("_", " ")
    return {"UTC": "UTC"} | groups
