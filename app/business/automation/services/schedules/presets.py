"""Common schedules as form fields, so that nobody needs to know cron."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import time
from typing import Literal

from app.business.automation.services.schedules.cron_grammar import CronLine, parse_cron

Kind = Literal["minutes", "hourly", "window", "daily", "weekdays", "weekly", "monthly"]

PRESETS: dict[Kind, str] = {
    "minutes": "Every few minutes",
    "hourly": "Every hour",
    "window": "Several times within certain hours",
    "daily": "Every day",
    "weekdays": "Monday to Friday",
    "weekly": "On certain days of the week",
    "monthly": "Once a month",
}

# Minutes that divide the hour: any other step would restart at each full hour.
STEPS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
WINDOW_STEPS = (5, 10, 15, 20, 30, 60)


@dataclass(frozen=True, slots=True)
class Preset:
    """One common schedule.

    `every` is in minutes, `at` local time (hourly uses its minute only, a window its hour), `weekdays` 1-7 from Monday,
    `day` the day of the month; months without that day are left out. `until`: the hour, 1-24, before which a window's
    last time is.
    """

    kind: Kind
    every: int = 15
    at: time = time(9)
    weekdays: tuple[int, ...] = (1,)
    day: int = 1
    until: int = 17

    @property
    def cron(self) -> str:
        clock = f"{self.at.minute} {self.at.hour}"
        return {
            "minutes": f"*/{self.every} * * * *",
            "hourly": f"{self.at.minute} * * * *",
            "window": f"{self._minutes} {_ranges(range(self.at.hour, self.until))} * * {self._days}",
            "daily": f"{clock} * * *",
            "weekdays": f"{clock} * * 1-5",
            "weekly": f"{clock} * * {self._days}",
            "monthly": f"{clock} {self.day} * *",
        }[self.kind]

    @property
    def _minutes(self) -> str:
        # As a list: a field that starts with `*` would follow the wall clock through its changes.
        return ",".join(map(str, range(0, 60, self.every)))

    @property
    def _days(self) -> str:
        return "*" if len(self.weekdays) == 7 else _ranges(self.weekdays)


def preset_of(cron: str) -> Preset | None:
    """The preset that is due at exactly the times of this line; None when no preset is. Raises Invalid."""
    line = parse_cron(cron)
    return next((preset for preset in _candidates(line) if parse_cron(preset.cron) == line), None)


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers in cron syntax: `2-4`, `1,3`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _candidates(line: CronLine) -> Iterator[Preset]:
    at = time(line.hours[0], line.minutes[0])
    if 60 // len(line.minutes) in STEPS:
        yield Preset("minutes", every=60 // len(line.minutes))
    yield Preset("hourly", at=time(0, line.minutes[0]))
    yield Preset("daily", at=at)
    yield Preset("weekdays", at=at)
    weekdays = tuple(sorted(day or 7 for day in line.days.weekdays))
    yield Preset("weekly", at=at, weekdays=weekdays)
    yield Preset("monthly", at=at, day=line.days.month_days[0])
    if 60 // len(line.minutes) in WINDOW_STEPS:
        every, until = 60 // len(line.minutes), line.hours[-1] + 1
        yield Preset("window", every=every, at=time(line.hours[0]), weekdays=weekdays, until=until)
