"""The usual schedules in plain parts, so that nobody needs to know cron."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from typing import Literal

from app.business.automation.services.schedules.cron_grammar import CronLine, parse_cron

Kind = Literal["minutes", "hourly", "daily", "weekdays", "weekly", "monthly"]

PRESETS: dict[Kind, str] = {
    "minutes": "Every few minutes",
    "hourly": "Every hour",
    "daily": "Every day",
    "weekdays": "Monday to Friday",
    "weekly": "On certain days of the week",
    "monthly": "Once a month",
}

# Minutes that divide the hour: any other step would start anew at each full hour.
STEPS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)


@dataclass(frozen=True, slots=True)
class Preset:
    """One usual schedule. `every` is in minutes, `at` local time (hourly uses its minute only),
    `weekdays` 1-7 from Monday, `day` the day of the month; months without that day are left out."""

    kind: Kind
    every: int = 15
    at: time = time(9)
    weekdays: tuple[int, ...] = (1,)
    day: int = 1

    @property
    def cron(self) -> str:
        """The five fields."""
        clock = f"{self.at.minute} {self.at.hour}"
        return {
            "minutes": f"*/{self.every} * * * *",
            "hourly": f"{self.at.minute} * * * *",
            "daily": f"{clock} * * *",
            "weekdays": f"{clock} * * 1-5",
            "weekly": f"{clock} * * {','.join(map(str, sorted(self.weekdays)))}",
            "monthly": f"{clock} {self.day} * *",
        }[self.kind]


def preset_of(cron: str) -> Preset | None:
    """The preset that is due at exactly the times of this line; None when no preset is. Raises Invalid."""
    line = parse_cron(cron)
    return next((preset for preset in _candidates(line) if parse_cron(preset.cron) == line), None)


def _candidates(line: CronLine) -> Iterator[Preset]:
    at = time(line.hours[0], line.minutes[0])
    if 60 // len(line.minutes) in STEPS:
        yield Preset("minutes", every=60 // len(line.minutes))
    yield Preset("hourly", at=time(0, line.minutes[0]))
    yield Preset("daily", at=at)
    yield Preset("weekdays", at=at)
    yield Preset("weekly", at=at, weekdays=tuple(sorted(day or 7 for day in line.days.weekdays)))
    yield Preset("monthly", at=at, day=line.days.month_days[0])
