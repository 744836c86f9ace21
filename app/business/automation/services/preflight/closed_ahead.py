"""What calendars do to the next planned times of a rule: of its one place, or of each site of a split rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.calendars.applied_calendars import OF_NO_SITE, RulePlace, closed_rules
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


def closed_ahead(
    session: Session, place: RulePlace, schedule: Schedule, *, is_split: bool, now: datetime, count: int
) -> ClosedAhead:
    """Looks at the next `count` planned times of each place. Two or three queries where there are calendars."""
    closed = closed_rules(session, [place])
    if place.on_closed_days == "run" or not closed.openings:
        return ClosedAhead(0, [])
    if not is_split:
        return _of([_place("", schedule, closed.of(place, OF_NO_SITE), now, count)])
    sites = active_sites(session, [place.account_id])[place.account_id]
    chosen = {site_id: zone for site_id, zone in sites if place.site_id in (None, site_id)}
    names = dict(iter(session.execute(select(Site.id, Site.name).where(Site.id.in_(chosen)))))
    return _of(
        [
            _place(
                names[site_id],
                schedule if schedule.named_zone else schedule.in_zone(zone),
                closed.of(place, site_id),
                now,
                count,
            )
            for site_id, zone in chosen.items()
        ]
    )


def _place(name: str, schedule: Schedule, times: ClosedRule, now: datetime, count: int) -> PlaceAhead:
    settled: Iterator[Settled] = (times.settle(schedule, at) for at in next_instants(schedule, now, count))
    return PlaceAhead(name, list(settled))


def _of(places: Sequence[PlaceAhead]) -> ClosedAhead:
    return ClosedAhead(len(places), [place for place in places if place.closed])


def does_to(times: Sequence[Settled]) -> str:
    """`skips 2 and moves 1`."""
    moved = sum(one.start_at is not None for one in times)
    counts = (("skips", len(times) - moved), ("moves", moved))
    return " and ".join(f"{verb} {number:,}" for verb, number in counts if number)
