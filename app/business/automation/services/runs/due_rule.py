"""The columns of a scheduled rule that planning needs, without its conditions and texts."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_parts import Json, JsonObject, Stored
from app.business.automation.services.schedules.calendar import Schedule, parse_schedule


@dataclass(frozen=True, slots=True)
class DueRule:
    """Columns of `AutomationRule`, with the same names."""

    id: int
    account_id: int
    name: str
    version: int
    site_id: int | None
    sector_id: int | None
    split_by: str
    record_type: str | None
    priority: int
    actions: list[Json]
    schedule: JsonObject
    catch_up: str
    catch_up_hours: int
    on_closed_days: str
    unplanned_from: datetime

    @property
    def times(self) -> Schedule:
        """The schedule. Raises Invalid where there is none, or the stored one is not valid."""
        return stored_times(self.schedule)


@dataclass(frozen=True, slots=True)
class StoredTimes:
    """What decides on the times of a rule, as it is stored: all else of a definition takes long to read."""

    split_by: str
    schedule: Stored

    @property
    def times(self) -> Schedule:
        """As of a `DueRule`."""
        return stored_times(self.schedule)


COLUMNS = tuple(getattr(AutomationRule, name) for name in DueRule.__dataclass_fields__)


def stored_times(stored: Stored) -> Schedule:
    """A stored schedule, cached for rules with equal schedules. Raises Invalid where it is not valid."""
    return _times(json.dumps(stored))


@lru_cache(maxsize=5_000)
def _times(stored: str) -> Schedule:
    return parse_schedule(json.loads(stored), shortest_interval_minutes=None)
