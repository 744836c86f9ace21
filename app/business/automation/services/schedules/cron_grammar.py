"""Parses the five fields of a cron line by Debian's rules; everything else is refused by name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from app.business.errors import Invalid

LONGEST_LINE = 500
MINUTES_A_DAY = 24 * 60

NAMED_LINES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_VALUE = "[0-9]+|[A-Za-z]+"
_PART = re.compile(rf"(?P<first>\*|{_VALUE})(-(?P<last>{_VALUE}))?(/(?P<step>[0-9]+))?")
_FIELDS = "minute, hour, day of month, month, day of week"
_EXAMPLE = "Example: 0 9 * * 1-5 is Monday to Friday at 09:00."


@dataclass(frozen=True, slots=True)
class CronField:
    """One of the five fields of a line: its name, its range, and names for numbers."""

    name: str
    low: int
    high: int
    hint: str
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The number that `text` stands for; None when it is neither a number nor a known name."""
        if text.isdigit():
            return int(text)
        short = [name[:3].upper() for name in self.names]
        return self.low + short.index(text.upper()) if text.upper() in short else None


FIELDS = (
    CronField("Minute", 0, 59, "Example: 0,30 or */15."),
    CronField("Hour", 0, 23, "Example: 9 or 9-17."),
    CronField("Day of month", 1, 31, "Example: 1 or 1,15."),
    CronField("Month", 1, 12, "Example: 1-6 or JAN,JUL.", MONTHS),
    CronField("Day of week", 0, 7, "Example: 1-5 or MON-FRI.", WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class DayFields:
    """The local days of a line. `both`: day of month and day of week must both match, else one suffices."""

    month_days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    both: bool


@dataclass(frozen=True, slots=True)
class CronLine:
    """A checked line. `times` are minutes of the local day; `follows_clock`: minute or hour starts with `*`.

    Lines that are due at the same times are equal, however they are written.
    """

    text: str = field(compare=False)
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayFields
    follows_clock: bool
    times: tuple[int, ...] = field(compare=False, repr=False)

    def shortest_gap(self, days_in_a_row: bool) -> int:
        """Minutes between the two nearest times, without clock changes."""
        gaps = [later - earlier for earlier, later in pairwise(self.times)]
        if days_in_a_row:
            gaps.append(self.times[0] + MINUTES_A_DAY - self.times[-1])
        return min(gaps, default=MINUTES_A_DAY)


def parse_cron(line: object) -> CronLine:
    """Parse a line. Raises Invalid at `schedule.cron` with a sentence for each wrong field."""
    if not isinstance(line, str) or not line.strip():
        raise _refused(f"Write five fields: {_FIELDS}. {_EXAMPLE}")
    if len(line) > LONGEST_LINE:
        raise _refused(f"Use at most {LONGEST_LINE} characters; this line has {len(line):,}. {_EXAMPLE}")
    strange = next((sign for sign in line if not (" " <= sign <= "~" or sign == "\t")), None)
    if strange:
        raise _refused(f"Use letters, digits, spaces and * , - / only; remove {strange!a}. {_EXAMPLE}")
    return _parse(" ".join(line.split()))


@lru_cache(maxsize=2048)
def _parse(line: str) -> CronLine:
    texts = _split(line)
    errors: list[str] = []
    values: list[tuple[int, ...]] = []
    for kind, text in zip(FIELDS, texts, strict=True):
        try:
            values.append(tuple(sorted(set(_field_values(kind, text)))))
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise _refused(*errors)
    minutes, hours, month_days, months, weekdays = values
    return CronLine(
        text=" ".join(texts),
        minutes=minutes,
        hours=hours,
        days=_day_fields(texts, month_days, months, tuple(sorted({day % 7 for day in weekdays}))),
        follows_clock=texts[0].startswith("*") or texts[1].startswith("*"),
        times=tuple(hour * 60 + minute for hour in hours for minute in minutes),
    )


def _split(line: str) -> list[str]:
    if line.startswith("@"):
        if line.lower() not in NAMED_LINES:
            known = ", ".join(NAMED_LINES)
            raise _refused(f"Unknown name '{_short(line)}'. Use five fields, or one of {known}.")
        line = NAMED_LINES[line.lower()]
    texts = line.split(" ")
    if len(texts) != len(FIELDS):
        raise _refused(f"Use five fields: {_FIELDS} (you wrote {len(texts)}). {_EXAMPLE}")
    return texts


def _field_values(kind: CronField, text: str) -> Iterator[int]:
    """Values of one field; raises ValueError with a sentence."""
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["first"] == "*" and match["last"]):
            raise ValueError(f"{kind.name} cannot be '{_short(part)}'. {kind.hint}")
        yield from _part_values(kind, part, match["first"], match["last"], match["step"])


def _part_values(kind: CronField, part: str, first: str, last: str | None, step: str | None) -> range:
    if first == "*":
        low, high = kind.low, kind.high
    else:
        low = _number(kind, first)
        high = low if last is None else _number(kind, last)
    if high < low:
        raise ValueError(f"{kind.name} '{_short(part)}' runs backwards; list the values with commas.")
    if step is None:
        return range(low, high + 1)
    if first != "*" and last is None:
        wanted = _short(f"{first}-{kind.high}/{step}")
        raise ValueError(f"{kind.name} '{_short(part)}' needs a range: {wanted}.")
    if not 1 <= int(step) <= kind.high:
        raise ValueError(f"{kind.name} step must be 1-{kind.high} (you wrote {_short(part)}). {kind.hint}")
    return range(low, high + 1, int(step))


def _number(kind: CronField, text: str) -> int:
    number = kind.number(text)
    if number is None or not kind.low <= number <= kind.high:
        allowed = f"{kind.low}-{kind.high}"
        if kind.names:
            allowed += f" or {kind.names[0][:3].upper()}-{kind.names[-1][:3].upper()}"
        raise ValueError(f"{kind.name} must be {allowed} (you wrote {_short(text)}). {kind.hint}")
    return number


def _day_fields(
    texts: list[str], month_days: tuple[int, ...], months: tuple[int, ...], weekdays: tuple[int, ...]
) -> DayFields:
    """Debian's rule: both fields must match when one of them starts with `*`, else one suffices."""
    both = texts[2].startswith("*") or texts[4].startswith("*")
    possible = tuple(day for day in month_days if any(day <= LONGEST_MONTHS[month - 1] for month in months))
    if both and not possible:
        days, names = _either(month_days), _either(tuple(MONTHS[month - 1] for month in months))
        raise _refused(f"This date never comes: {days} {names}. Choose another day or month.")
    every_day = not both and (len(month_days) == 31 or len(weekdays) == 7)
    if every_day or (not both and not possible):
        possible = tuple(range(1, 32))
        return DayFields(possible, months, tuple(range(7)) if every_day else weekdays, both=True)
    return DayFields(possible, months, weekdays, both)


def _either(values: tuple[int, ...] | tuple[str, ...]) -> str:
    texts = [str(value) for value in values]
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _refused(*sentences: str) -> Invalid:
    return Invalid({"schedule.cron": sentences})
