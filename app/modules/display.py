"""Formatting of values on pages: times with their zone, numbers, credits, durations. All are Jinja filters."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Flask, g
from ua_parser import parse_os, parse_user_agent

from app.business.language_model import ModelUse
from app.business.outlets.services.ai_spending import money_words
from app.business.planner.services.language_names import language_name

NOTHING = "–"
MINUS = "\u2212"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HALF_A_YEAR = timedelta(days=182)
STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86_400, 3600, "hour"), (2_592_000, 86_400, "day"))


@dataclass(frozen=True, slots=True)
class ShownTime:
    """One time in every form that a list shows: for programs, for the pointer, in the viewer's zone, by its age.

    when: without the year while it is at most half a year away · is_near: within a day, where its age says more than
    its date.
    """

    instant: str
    exact: str
    when: str
    ago: str
    is_near: bool


class TimeWriter:
    """Writes the many times of one page: zone and present are looked up once, and not for each of them."""

    def __init__(self, now: datetime | None = None) -> None:
        self._zone, self._now = viewer_zone(), now or datetime.now(UTC)

    def __call__(self, at: datetime) -> ShownTime:
        away = abs(at - self._now)
        said = _when(at, self._zone, with_year=away > HALF_A_YEAR)
        ago = relative(at, self._now)
        return ShownTime(instant(at), _exact(at, self._zone), said, ago, away < timedelta(days=1))


def init_display(app: Flask) -> None:
    plain = (when, clock, instant, exact, relative, day, number, plural, credits, percent, duration, browser)
    for show in (*plain, money, model_use, language_name):
        app.add_template_filter(show)
    app.add_template_global(TimeWriter, "time_writer")


def viewer_zone() -> ZoneInfo:
    """The zone in which the signed-in person reads times: their own, else the account's, else UTC."""
    person = g.get("person")
    return ZoneInfo(person.user.timezone or person.account.timezone) if person else ZoneInfo("UTC")


def when(at: datetime | None, zone: str | None = None) -> str:
    """`24 Nov 2026, 09:07 CET`: to the minute, in `zone` or the viewer's zone, which is always named."""
    if at is None:
        return NOTHING
    return _when(at, ZoneInfo(zone) if zone else viewer_zone())


def clock(at: datetime) -> str:
    """`09:07:31 CET`: the time of day alone, in the viewer's zone, where the day stands above."""
    local = at.astimezone(viewer_zone())
    return f"{local:%H:%M:%S} {_zone_name(local)}"


def exact(at: datetime, zone: str | None = None) -> str:
    """To the second with the zone's full name and UTC beside it, for a tooltip."""
    return _exact(at, ZoneInfo(zone) if zone else viewer_zone())


def instant(at: datetime) -> str:
    """ISO 8601 in UTC, for programs."""
    return f"{at.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def relative(at: datetime | None, now: datetime | None = None) -> str:
    """`3 hours ago`, `in 5 minutes`, `just now`; the distance in days beyond a day."""
    if at is None:
        return NOTHING
    seconds = int((at - (now or datetime.now(UTC))).total_seconds())
    if abs(seconds) < 10:
        return "just now"
    size, unit = next(((step, unit) for end, step, unit in STEPS if abs(seconds) < end), (86_400, "day"))
    distance = plural(abs(seconds) // size, unit)
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def day(on: date | None) -> str:
    """`24 Nov 2026`."""
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}" if on else NOTHING


def number(value: float | None) -> str:
    """`20,310`, `−5`; at most two decimals."""
    if value is None:
        return NOTHING
    said = f"{value:,}" if type(value) is int else f"{value:,.2f}".rstrip("0").rstrip(".")
    return said.replace("-", MINUS)


def plural(count: int, word: str, words: str | None = None) -> str:
    """`1 keyword`, `1,284 keywords`; `words` where adding an s is wrong."""
    return f"{number(count)} {word if count == 1 else words or word + 's'}"


def credits(amount: int) -> str:
    """`1 credit`, `129 credits`."""
    return plural(amount, "credit")


def money(micros: int) -> str:
    """`12.34`, of an amount in millionths."""
    return money_words(micros)


def model_use(use: ModelUse) -> str:
    """`small: 1,200 tokens sent, 840 written, 0.42 (prompt ideas-1)`."""
    cost = f", {money_words(use.cost)}" if use.cost is not None else ""
    prompt = f" (prompt {use.prompt_version})" if use.prompt_version else ""
    return f"{use.model}: {use.tokens_in:,} tokens sent, {use.tokens_out:,} written{cost}{prompt}"


def percent(share: float | None) -> str:
    """A share between 0 and 1 as `97.5 %`; never rounded up to 100 or down to 0."""
    if share is None:
        return NOTHING
    shown = min(round(share * 100, 1), 99.9) if share < 1 else 100
    return f"{number(max(shown, 0.1) if share > 0 else 0)}\u00a0%"


def duration(seconds: float | None) -> str:
    """`under 0.1 s`, `0.4 s`, `12 s`, `5 min`, `3 min 5 s`, `2 h 10 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _when(at: datetime, zone: ZoneInfo, *, with_year: bool = True) -> str:
    local = at.astimezone(zone)
    on = f"{local.day} {MONTHS[local.month - 1]}"
    year = f" {local.year}" if with_year else ""
    return f"{on}{year}, {local.hour:02}:{local.minute:02} {_zone_name(local)}"


def _exact(at: datetime, zone: ZoneInfo) -> str:
    local = f"{at.astimezone(zone).isoformat(' ', 'seconds')[:19]} {zone.key}"
    return (
        local if zone.key == "UTC" else f"{local} ({at.astimezone(UTC).isoformat(' ', 'seconds')[11:19]} UTC)"
    )


def _zone_name(local: datetime) -> str:
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


def browser(user_agent: str) -> str:
    """`Firefox on Windows` from a User-Agent; `Unknown browser` where it says nothing."""
    program, system = parse_user_agent(user_agent), parse_os(user_agent)
    named = program.family if program else "Unknown browser"
    return f"{named} on {system.family}" if system else named
