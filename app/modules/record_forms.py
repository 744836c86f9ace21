"""Shared by the forms of all records: place, labels, note, assignee; and the filters of their lists."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import flash, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from wtforms import Field, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm
from wtforms.validators import Optional, ValidationError
from wtforms.widgets import TextArea, TextInput

from app.business.accounts.models import Role, User
from app.business.base import RowValues
from app.business.errors import Conflict, Invalid
from app.business.plain_characters import fault_of_line
from app.business.planner.models import Sector
from app.business.planner.services.record_lists import places
from app.business.planner.services.site_service import GENERAL, place_of
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.forms import ConsoleForm, FilterForm, at_most, between
from app.modules.gate.numbers import chosen_id
from app.modules.web import see_other

LARGEST = 2_147_483_647


class PlaceField(SelectField):
    """A sector, chosen among all sites: `3-7`, or `3-` for site 3's sector "General" that does not exist yet."""

    def __init__(self, label: str = "Site and sector", **kwargs: Any) -> None:
        super().__init__(label, choices=place_choices, description=SECTOR_HINT, **kwargs)

    def sector(self, now: datetime) -> Sector:
        """The chosen sector. Only after validation."""
        site_id, _, sector_id = str(self.data).partition("-")
        return place_of(db.session(), current_person().scope, int(site_id), chosen_id(sector_id), now=now)


SECTOR_HINT = "A sector is a topic area of the site."


def place_choices() -> list[SelectChoice]:
    """Every sector under its site."""
    choices = []
    for site, sectors in places(db.session(), current_person().scope):
        known = {f"{site.id}-{sector.id}": sector.name for sector in sectors}
        if GENERAL not in known.values():
            known[f"{site.id}-"] = GENERAL
        choices += [SelectChoice(value, name, optgroup=site.name) for value, name in known.items()]
    return choices


def site_first() -> ResponseReturnValue:
    """To the sites, while there is none to which a record could belong."""
    whose = "Add one here." if current_person().can(Role.OWNER) else "An owner adds it."
    flash(f"First a site: keywords, clusters, ideas and tasks belong to one. {whose}", "info")
    return see_other(url_for("planner.sites"))


def site_choices() -> list[SelectChoice]:
    """Every site, after an empty choice."""
    known = places(db.session(), current_person().scope)
    return [SelectChoice("", "All sites"), *(SelectChoice(str(site.id), site.name) for site, _ in known)]


def sector_choices() -> list[SelectChoice]:
    """Every sector under its site, after an empty choice."""
    return [SelectChoice("", "All sectors")] + [
        SelectChoice(str(sector.id), sector.name, optgroup=site.name)
        for site, sectors in places(db.session(), current_person().scope)
        for sector in sectors
    ]


def people_choices() -> list[SelectChoice]:
    """The account's people, after an empty choice."""
    users = db.session.scalars(
        select(User)
        .where(User.account_id == current_person().account.id, User.is_active)
        .order_by(User.name, User.id)
    )
    return [
        SelectChoice("", "Nobody"),
        *(SelectChoice(str(user.id), user.name or user.email) for user in users),
    ]


class LabelsField(Field):
    """Labels separated by commas; `data` is their list."""

    widget = TextInput()

    def _value(self) -> str:
        return ", ".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Keep each label once, in its order."""
        parts = [part.strip() for part in valuelist[0].split(",")] if valuelist else []
        self.data = list(dict.fromkeys(part for part in parts if part))

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse a label that cannot be a one-line text."""
        if fault := next(filter(None, map(fault_of_line, self.data or [])), None):
            raise ValidationError(fault)


class LinesField(LabelsField):
    """A list of one-line texts, each in a line of its own."""

    widget = TextArea()

    def _value(self) -> str:
        return "\n".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Keep each line once, in its order."""
        if valuelist:
            lines = (" ".join(line.split()) for line in valuelist[0].splitlines())
            self.data = list(dict.fromkeys(filter(None, lines)))


class ServiceForm(ConsoleForm):
    """A form whose values a service checks again: its refusals appear beside the fields like the form's own."""

    def taken(self, change: Callable[[], object]) -> bool:
        """Whether `change` succeeded; if it refused, the fields show why and nothing of it is kept."""
        try:
            change()
        except Invalid as refusal:
            db.session.rollback()
            self.refuse(refusal.errors)
            return False
        except Conflict as refusal:
            db.session.rollback()
            self.refuse({"": [refusal.message]})
            return False
        return True

    def refuse(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Put each sentence beside its field, or above the form when it has no field here."""
        for path, messages in errors.items():
            if path in self:
                self[path].errors = [*self[path].errors, *messages]
            else:
                self.form_errors.extend(messages)

    def values(self, *left_out: str) -> RowValues:
        """The fields as services take them; a text that was not sent is empty."""
        names = [name for name in self._fields if name not in ("csrf_token", *left_out)]
        return {name: _sent(self._fields[name]) for name in names}


class RecordForm(ServiceForm):
    """The fields of every record, after those of its kind."""

    labels = LabelsField("Labels", description="Words to find it by, with commas between them.")
    assignee = SelectField("Assigned to", choices=people_choices, coerce=chosen_id)
    note = TextAreaField("Note", [at_most(10_000)], render_kw={"rows": 3})


SHARED_LAYOUT = (("labels", "assignee"), ("note",))


class RecordFilterForm(FilterForm):
    """Filters of every list of records."""

    text = StringField("Search", [at_most(255)])
    site = SelectField("Site", choices=site_choices, coerce=chosen_id)
    sector = SelectField("Sector", choices=sector_choices, coerce=chosen_id)
    made_by_run = IntegerField(
        "Made by run", [Optional(), between(0, 2**63 - 1)], render_kw={"inputmode": "numeric"}
    )


def number_field(label: str, high: int = LARGEST, **kwargs: Any) -> IntegerField:
    """A whole number that may be empty."""
    return IntegerField(label, [Optional(), between(0, high)], render_kw={"inputmode": "numeric"}, **kwargs)


def options(words: Mapping[str, str]) -> list[SelectChoice]:
    """The choices of a select: value -> label."""
    return [SelectChoice(value, label) for value, label in words.items()]


def choice_field(label: str, first: str, words: Mapping[str, str]) -> SelectField:
    """A choice among `words`, after an empty choice."""
    return SelectField(label, choices=options({"": first, **words}))


def _sent(field: Field) -> Any:
    return "" if field.data is None and isinstance(field, StringField) else field.data
