"""Finding about calendars that are closed at the next planned times."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from app.business.automation.services.preflight.closed_ahead import (
    ClosedAhead,
    FollowedPlace,
    PlaceAhead,
    closed_ahead,
    does_to,
)
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.rules.definition import RuleDefinition

TIMES = 20
"""Next planned times that are looked up in each calendar."""
MOST_NAMED = 3
"""Sites of a split rule that are told of one by one."""
ADVICE = "Choose other times, what it does “On closed days”, or change the calendar."


def closed_findings(
    rule: RuleDefinition, places: Sequence[FollowedPlace], now: datetime
) -> Iterator[Finding]:
    """Whether the next planned times fall on closed days; on which of its sites, where the rule is split by them."""
    is_split, found = rule.split_by == "site", closed_ahead(places, now, TIMES)
    closed = [one for one in found.places if one.closed_first]
    if closed:
        sentence = _of_sites(found, closed) if is_split else _of_one(closed[0])
        many = rule.on_closed_days == "skip" and any(len(one.closed_first) > 1 for one in closed)
        level = Level.WARN if many or any(one.never_starts for one in closed) else Level.HINT
        yield Finding("closed_days", level, sentence, ADVICE, "on_closed_days")


def _of_one(place: PlaceAhead) -> str:
    closed = place.closed_first
    said = "planned time falls" if len(closed) == 1 else f"{len(closed):,} planned times fall"
    return f"The next {said} on closed days. {closed[0].why}"


def _of_sites(found: ClosedAhead, closed: Sequence[PlaceAhead]) -> str:
    where = "its only site" if found.sites == 1 else f"{len(closed):,} of its {found.sites:,} sites"
    named = [_of_site(place) for place in closed[:MOST_NAMED]]
    more = len(closed) - MOST_NAMED
    rest = [f"So it is on {more:,} more {'site' if more == 1 else 'sites'}."] if more > 0 else []
    return " ".join([f"On {where} the next planned times fall on closed days.", *named, *rest])


def _of_site(place: PlaceAhead) -> str:
    return f"{place.name} {does_to(place.closed_first)}: {place.closed_first[0].why}"
