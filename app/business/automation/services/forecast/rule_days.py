"""The past and coming days on which an account's rules start runs, each on the sites that it is planned for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.calendars.applied_calendars import (
    ClosedRules,
    RulePlace,
    openings_of,
)
from app.business.automation.services.calendars.closed_times import ALWAYS_OPEN, ClosedRule
from app.business.automation.services.forecast.due_days import parts_due, rest_of_day
from app.business.automation.services.forecast.spend_history import Days
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.schedules.calendar import Schedule
from app.business.automation.services.triggering.activations import Place, active_sites, zones_of
from app.business.errors import Invalid

Followed = tuple[Schedule | None, ClosedRule]
"""A schedule, and how its times follow their calendar. Without a schedule every day is due."""
EVERY_DAY: Followed = (None, ALWAYS_OPEN)


class RuleDays:
    """Parts of days, one for each past or coming day: 1 where it starts runs, of today what is still ahead.

    Rules with equal schedules and calendars share them. A split rule has those of each site, and their mean.
    """

    def __init__(self, session: Session, account: Account, days: Days, coming: Days, now: datetime) -> None:
        self.session, self.account, self.days, self.coming, self.now = session, account, days, coming, now
        self._known: dict[tuple[Followed, bool], list[float]] = {}

    @cached_property
    def closed(self) -> ClosedRules:
        """The account's calendars."""
        return ClosedRules(openings_of(self.session, [self.account.id]))

    @cached_property
    def _sites(self) -> Sequence[Place]:
        return active_sites(self.session, [self.account.id])[self.account.id]

    @property
    def every_day(self) -> list[float]:
        """The coming days of what is not planned."""
        return self._ahead(EVERY_DAY)

    def ahead(self, rule: RuleDefinition, site_id: int | None = None) -> list[float]:
        """Of the coming days; of a split rule on one of its sites, or the mean of all."""
        return _mean([self._ahead(one) for one in self._followed(rule, site_id)], len(self.coming.dates))

    def past(self, rule: RuleDefinition, used: Sequence[float], site_id: int | None = None) -> list[float]:
        """Of the past days, by the present calendars. `used`: credits of each; a closed day on which it ran all the
        same was no closed day then."""
        found = []
        for schedule, times in self._followed(rule, site_id):
            parts = self._past((schedule, times))
            if times.obeyed:
                planned = self._past((schedule, ALWAYS_OPEN))
                parts = [
                    max(part, whole) if use else part
                    for part, whole, use in zip(parts, planned, used, strict=True)
                ]
            found.append(parts)
        return _mean(found, len(self.days.dates))

    def _followed(self, rule: RuleDefinition, site_id: int | None) -> list[Followed]:
        if rule.trigger != "schedule":
            return [EVERY_DAY]
        try:
            schedule = rule.times
        except Invalid:
            return [EVERY_DAY]
        place = RulePlace(self.account.id, rule.site, rule.on_closed_days)
        if rule.split_by != "site":
            return [(self._in_zone(schedule), self.closed.of(place))]
        zones: Mapping[str, str] = zones_of(rule, self._sites)
        chosen = [str(site_id)] if site_id is not None else zones
        return [
            (schedule.in_zone(zones[one]), self.closed.of(place, int(one))) for one in chosen if one in zones
        ]

    def _in_zone(self, schedule: Schedule) -> Schedule:
        return schedule if schedule.named_zone else schedule.in_zone(self.account.timezone)

    def _past(self, followed: Followed) -> list[float]:
        if (followed, False) not in self._known:
            self._known[followed, False] = parts_due(followed[0], self.days, followed[1])
        return self._known[followed, False]

    def _ahead(self, followed: Followed) -> list[float]:
        if (followed, True) not in self._known:
            schedule, times = followed
            parts = parts_due(schedule, self.coming, times)
            rest = rest_of_day(schedule, self.coming.starts[0], self.coming.starts[1], self.now, times)
            self._known[followed, True] = [min(parts[0], rest), *parts[1:]]
        return self._known[followed, True]


def _mean(lines: Sequence[Sequence[float]], days: int) -> list[float]:
    if not lines:
        return [0.0] * days
    return [sum(parts) / len(lines) for parts in zip(*lines, strict=True)]
