"""The form of a calendar: a row for each weekday, the country of its public holidays, and a row for each pause."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, time

from wtforms import BooleanField, DateField, Field, SelectField, StringField, TextAreaField
from wtforms.validators import Optional, ValidationError
from wtforms.widgets import TimeInput

from app.business.automation.services.calendars.public_holidays import countries, regions
from app.business.automation.services.calendars.working_calendar import (
    DAY_END,
    MIDNIGHT,
    MOST_PAUSES,
    NAME_LIMIT,
    WEEKDAYS,
    Pause,
    WorkingCalendar,
)
from app.business.automation.services.rule_parts import Json, JsonObject
from app.modules.forms import ConsoleForm, at_most

EMPTY_ROWS = 3
WORKDAYS = range(1, 6)
PASTED_LIMIT = 20_000
NO_DATE = "Choose a date."
HOW_TO_WRITE = "Begin with a date such as 2026-12-25, or with a first and a last one."


def _country_choices() -> list[tuple[str, str]]:
    return [("", "None"), *countries().items()]


class CalendarForm(ConsoleForm):
    """Fields of rows are named by weekday (`opens1`) and by number (`first0`); see `form_of`."""

    country = SelectField("Public holidays of", choices=_country_choices)
    region = StringField(
        "Region",
        [at_most(NAME_LIMIT)],
        description="Its code or its name, for holidays that only this region has.",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    pasted = TextAreaField(
        "Further dates",
        [at_most(PASTED_LIMIT)],
        description="One in each line, with a name: 2027-05-14 Bridge day. With two dates, from the first to the last.",
        render_kw={"rows": 4, "spellcheck": "false"},
    )
    pauses = 0
    """The number of rows."""

    @property
    def weekdays(self) -> Iterator[tuple[str, Field, Field, Field]]:
        """The name of each day, and its fields."""
        for day, name in enumerate(WEEKDAYS, 1):
            yield name, self[f"open{day}"], self[f"opens{day}"], self[f"closes{day}"]

    @property
    def pause_rows(self) -> Iterator[tuple[Field, Field, Field, Field]]:
        """The fields of each row."""
        for number in range(self.pauses):
            yield tuple(self[f"{name}{number}"] for name in ("name", "first", "last", "yearly"))

    @property
    def known_regions(self) -> Mapping[str, str]:
        """The regions of the chosen country."""
        return regions(self.country.data) if self.country.data in countries() else {}

    def validate_pasted(self, field: TextAreaField) -> None:
        """Each line begins with a date."""
        for number, line in enumerate((field.data or "").splitlines(), 1):
            if line.strip() and _pause_of(line) is None:
                raise ValidationError(f"Line {number}, “{line.strip()[:40]}”, has no date. {HOW_TO_WRITE}")

    def values(self) -> JsonObject:
        """The calendar as it is sent to the service."""
        hours: list[Json] = [
            {"weekday": day, "opens": opens.data or MIDNIGHT, "closes": closes.data or DAY_END}
            for day, (_, is_open, opens, closes) in enumerate(self.weekdays, 1)
            if is_open.data
        ]
        pasted = [_pause_of(line) for line in (self.pasted.data or "").splitlines() if line.strip()]
        return {
            "working_hours": hours,
            "pauses": [*(pause for _, pause in self._pauses()), *pasted],
            "country": self.country.data or None,
            "region": self.region.data or None,
        }

    def field_of(self, path: str) -> Field:
        """The field that an error of the service stands beside."""
        name, number, key = [*path.split("."), "", ""][:3]
        if name == "working_hours" and number:
            day = [day for day, (_, is_open, _, _) in enumerate(self.weekdays, 1) if is_open.data][
                int(number)
            ]
            return self[f"{key or 'closes'}{day}"]
        if name == "pauses" and number:
            rows = [row for row, _ in self._pauses()]
            if int(number) >= len(rows):
                return self.pasted
            return self[f"{ {'starts_on': 'first', 'name': 'name'}.get(key, 'last') }{rows[int(number)]}"]
        return {"country": self.country, "region": self.region, "pauses": self.pasted}.get(name, self.open1)

    def _pauses(self) -> Iterator[tuple[int, JsonObject]]:
        """Filled rows: their number, and what they say. Without a last day it is the first."""
        for number, (name, first, last, yearly) in enumerate(self.pause_rows):
            if first.data or last.data:
                days = (first.data or last.data, last.data or first.data)
                starts_on, ends_on = (day.isoformat() for day in days)
                yield (
                    number,
                    {
                        "name": name.data or "",
                        "starts_on": starts_on,
                        "ends_on": ends_on,
                        "yearly": yearly.data,
                    },
                )


def _region_name(calendar: WorkingCalendar) -> str:
    if not calendar.country or not calendar.region:
        return ""
    return regions(calendar.country).get(calendar.region, calendar.region)


def form_of(calendar: WorkingCalendar | None, sent: Collection[str] | None = None) -> CalendarForm:
    """The form with what the calendar says, or with what was sent (a request's form)."""
    if sent is not None:
        numbers = (name.removeprefix("first") for name in sent if name.startswith("first"))
        rows = max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)
        more = EMPTY_ROWS if "more" in sent else 0
        return _form_class(min(rows + more, MOST_PAUSES))()
    given: dict[str, str | bool | date] = {f"open{day}": True for day in WORKDAYS}
    pauses: Sequence[Pause] = ()
    if calendar:
        pauses = calendar.pauses
        given = {"country": calendar.country or "", "region": _region_name(calendar)}
        for hours in calendar.working_hours:
            given |= {
                f"open{hours.weekday}": True,
                f"opens{hours.weekday}": "" if hours.is_whole_day else hours.opens,
                f"closes{hours.weekday}": "" if hours.closes == DAY_END else hours.closes,
            }
        for number, pause in enumerate(pauses):
            given |= {
                f"name{number}": pause.name,
                f"first{number}": pause.starts_on,
                f"last{number}": pause.ends_on,
                f"yearly{number}": pause.yearly,
            }
    return _form_class(min(len(pauses) + EMPTY_ROWS, MOST_PAUSES))(formdata=None, data=given)


def _form_class(pauses: int) -> type[CalendarForm]:
    fields: dict[str, int | Field] = {"pauses": pauses}
    for day, name in enumerate(WEEKDAYS, 1):
        fields[f"open{day}"] = BooleanField(name)
        fields[f"opens{day}"] = StringField(f"{name}, opens", [_clock], widget=TimeInput())
        fields[f"closes{day}"] = StringField(f"{name}, closes", [_clock], widget=TimeInput())
    for number in range(pauses):
        place = f"Pause {number + 1}"
        fields[f"name{number}"] = StringField(f"{place}, name", [at_most(NAME_LIMIT)])
        fields[f"first{number}"] = DateField(f"{place}, first day", [Optional()])
        fields[f"last{number}"] = DateField(f"{place}, last day", [Optional()])
        fields[f"yearly{number}"] = BooleanField(f"{place}, every year")
    return type("FilledCalendarForm", (CalendarForm,), fields)


def _clock(_form: CalendarForm, field: StringField) -> None:
    try:
        field.data = f"{time.fromisoformat(field.data):%H:%M}" if field.data else ""
    except ValueError:
        raise ValidationError("Write a time of day such as 09:00, or leave it empty.") from None


def _pause_of(line: str) -> JsonObject | None:
    """`2026-12-24 2027-01-01 Winter break`; None where no date comes first."""
    words = line.split()
    days = [word for word in words[:2] if _is_date(word)]
    if not days or not _is_date(words[0]):
        return None
    name = " ".join(words[len(days) :]).strip(" ,;-–")
    return {"name": name[:NAME_LIMIT], "starts_on": days[0], "ends_on": days[-1], "yearly": False}


def _is_date(word: str) -> bool:
    try:
        date.fromisoformat(word)
    except ValueError:
        return False
    return len(word) == len("2026-12-25")
