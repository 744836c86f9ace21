"""The time zones people may choose, and the error for any other name."""

import re
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from rapidfuzz import fuzz, process, utils

from app.business.errors import Invalid

LONGEST_NAME = 64

# In the zone database, yet fixed offsets that never follow the clock changes their names suggest.
_NOT_PLACES = {"EST": "America/New_York or Etc/GMT+5", "MST": "America/Denver or Etc/GMT+7"}
_NOT_PLACES |= {"HST": "Pacific/Honolulu or Etc/GMT+10"}

_ABBREVIATIONS = _NOT_PLACES | {
    "EDT": "America/New_York",
    "ET": "America/New_York",
    "CST": "America/Chicago or Asia/Shanghai",
    "CDT": "America/Chicago",
    "CT": "America/Chicago",
    "MDT": "America/Denver",
    "MT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "PT": "America/Los_Angeles",
    "BST": "Europe/London",
    "CEST": "Europe/Berlin or Europe/Paris",
    "EEST": "Europe/Athens",
    "IST": "Asia/Kolkata, Asia/Jerusalem or Europe/Dublin",
    "JST": "Asia/Tokyo",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
}

# Minutes ahead of UTC in winter -> a well-known place.
_PLACES = {
    -600: "Pacific/Honolulu", -540: "America/Anchorage", -480: "America/Los_Angeles", -420: "America/Denver",
    -360: "America/Chicago", -300: "America/New_York", -240: "America/Halifax", -210: "America/St_Johns",
    -180: "America/Sao_Paulo", 0: "Europe/London", 60: "Europe/Paris", 120: "Europe/Athens",
    180: "Europe/Istanbul", 210: "Asia/Tehran", 240: "Asia/Dubai", 300: "Asia/Karachi",
    330: "Asia/Kolkata", 345: "Asia/Kathmandu", 360: "Asia/Dhaka", 420: "Asia/Bangkok",
    480: "Asia/Singapore", 540: "Asia/Tokyo", 570: "Australia/Adelaide", 600: "Australia/Sydney",
    720: "Pacific/Auckland",
}  # fmt: skip

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])([0-9]{1,2})(?::?([0-9]{2}))?", re.IGNORECASE)


@cache
def time_zones() -> tuple[str, ...]:
    """Every allowed name, sorted."""
    names = available_timezones() - {"Factory", "localtime"} - _NOT_PLACES.keys()
    return tuple(sorted(name for name in names if not name.startswith(("posix", "right"))))


def check_time_zone(name: object, field: str = "timezone") -> ZoneInfo:
    """The zone of that name; raises Invalid for `field`, with the nearest names, when there is none."""
    if isinstance(name, str) and name in _allowed():
        return ZoneInfo(name)
    raise Invalid({field: [f"Unknown time zone{_did_you_mean(name)}"]})


def zone_of_place(text: str) -> str | None:
    """The zone of that name or place, however written: `berlin` is Europe/Berlin. None: no zone, or several."""
    wanted = "_".join(text.casefold().split())
    return _by_place().get(wanted)


def time_in(at: datetime, zone: ZoneInfo | str) -> str:
    """`24 Nov 09:07 (Europe/Berlin)`, for messages that are kept and read by people of several zones."""
    named = ZoneInfo(zone) if isinstance(zone, str) else zone
    return f"{at.astimezone(named):%d %b %H:%M} ({named.key})"


def start_of_day(on: date, zone: str) -> datetime:
    """The instant at which the day begins in `zone`."""
    return datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@cache
def _allowed() -> frozenset[str]:
    return frozenset(time_zones())


@cache
def _by_place() -> dict[str, str | None]:
    """Whole names, and last parts of names that only one zone has."""
    found: dict[str, str | None] = {}
    for name in time_zones():
        place = name.rpartition("/")[2].casefold()
        found[place] = None if place in found else name
    return found | {name.casefold(): name for name in time_zones()}


def _did_you_mean(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        return ". Choose one such as Europe/Warsaw, America/New_York or UTC."
    suggestion = _suggestion(name.strip())
    if suggestion:
        return f" '{name}'; did you mean {suggestion}?"
    return f" '{name}'. Choose one such as Europe/Warsaw, America/New_York or UTC."


def _suggestion(name: str) -> str | None:
    offset = _OFFSET.fullmatch(name)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return _PLACES.get(-minutes if offset[1] == "-" else minutes)
    if name.upper() in _ABBREVIATIONS:
        return _ABBREVIATIONS[name.upper()]
    near = [zone for zone in time_zones() if zone.casefold() == name.casefold()] or _alike(name)
    return " or ".join(filter(None, [", ".join(near[:-1]), *near[-1:]])) or None


def _alike(name: str) -> list[str]:
    """At most three similar zones: by the place alone (`Tokio`), else by the whole name."""
    zones = [zone for zone in time_zones() if "/" in zone and not zone.startswith("Etc/")]
    places = [zone.rpartition("/")[2].replace("_", " ") for zone in zones]
    found = process.extract(
        name, places, scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=80, limit=3
    ) or process.extract(
        name, zones, scorer=fuzz.WRatio, processor=utils.default_process, score_cutoff=75, limit=3
    )
    return [zones[index] for _, _, index in found]
