"""What calendars do to the next planned times of a rule: of its one place, or of each site of a split rule."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.calendars.applied_calendars import RulePlace, closed_rules
from app.business.automation.services.calendars.closed_times import ClosedRule, Settled
from app.business.automation.services.schedules.calendar import Schedule, next_instants
from app.business.automation.services.triggering.activations import active_sites
from app.business.planner.models import Site


@dataclass(frozen=True)
class PlaceAhead:
    """The next planned times of a rule on one site; without a name: of a rule that is not split."""

    name: str
    ahead: Sequence[Settled]

    @property
    def closed(self) -> list[Settled]:
        """Those that the calendar changes."""
        return [one for one in self.ahead if one.why]

    @property
    def closed_first(self) -> list[Settled]:
        """Those of them that come before any that stays as planned."""
        return list(takewhile(lambda one: one.why, self.ahead))

    @property
    def never_starts(self) -> bool:
        return not any(one.start_at for one in self.ahead)


@dataclass(frozen=True)
class ClosedAhead:
    """sites: on how many sites a split rule runs · places: those with changed times among the next ones."""

    sites: int
    places: Sequence[PlaceAhead]


@dataclass(frozen=True)
class FollowedPlace:
    """The schedule of a rule on one site, and how its times follow the calendar there."""

    name: str
    schedule: Schedule
    times: ClosedRule


def followed_places(
    session: Session, place: RulePlace, schedule: Schedule, *, is_split: bool
) -> list[FollowedPlace]:
    """Each site of a split rule, else the rule's one place; of no account without calendars more than that. One query,
    up to three where there are calendars."""
    closed = closed_rules(session, [place])
    if not is_split or not closed.openings:
        return [FollowedPlace("", schedule, closed.of(place))]
    sites = active_sites(session, [place.account_id])[place.account_id]
    chosen = {site_id: zone for site_id, zone in sites if place.site_id in (None, site_id)}
    names = dict(iter(session.execute(select(Site.id, Site.name).where(Site.id.in_(chosen)))))
    return [
        FollowedPlace(
            names[site_id],
            schedule if schedule.named_zone else schedule.in_zone(zone),
            closed.of(place, site_id),
        )
        for site_id, zone in chosen.items()
    ]


def most_starts_a_day(places: Sequence[FollowedPlace], zone: ZoneInfo, now: datetime, days: int) -> int:
    """On one of the places, on the fullest day of the zone within the next ones."""
    until = now + timedelta(days=days)
    days_of = (
        Counter(at.astimezone(zone).date() for at in place.times.starts(place.schedule, now, until))
        for place in places
    )
    return max((max(starts.values(), default=0) for starts in days_of), default=0)


def closed_ahead(places: Sequence[FollowedPlace], now: datetime, count: int) -> ClosedAhead:
    """What becomes of the next `count` planned times of each place."""
    ahead = [
        PlaceAhead(
            place.name,
            [place.times.settle(place.schedule, at) for at in next_instants(place.schedule, now, count)],
        )
        for place in places
    ]
    return ClosedAhead(len(places), [place for place in ahead if place.closed])


def does_to(times: Sequence[Settled]) -> str:
    """`skips 2 and moves 1`."""
    moved = sum(one.start_at is not None for one in times)
    counts = (("skips", len(times) - moved), ("moves", moved))
    return " and ".join(f"{verb} {number:,}" for verb, number in counts if number)
