"""Which local day an instant of a row belongs to, as an expression of SQL."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Case, ColumnElement, Date, case, literal, null
from sqlalchemy.orm import InstrumentedAttribute

from app.business.sql_functions import utc_day
from app.business.time_zones import start_of_day

ONE = timedelta(days=1)
KEPT = 512
"""Rows of days in zones of which a process remembers where they begin."""


class EvenDays(NamedTuple):
    """Consecutive days of 24 hours each, or a single day of another length. ahead: seconds by which their zone is
    ahead of UTC; None for the single day."""

    first: date
    end: datetime
    ahead: int | None


def on_day(
    at: ColumnElement[datetime] | InstrumentedAttribute[datetime], zone: str, days: Sequence[date]
) -> Case[date]:
    """Which of the consecutive days of the zone the instant belongs to; null for any other."""
    begin, stretches = _stretches(zone, tuple(days))
    parts = (
        (
            at < stretch.end,
            literal(stretch.first, Date()) if stretch.ahead is None else utc_day(at, stretch.ahead),
        )
        for stretch in stretches
    )
    return case((at < begin, null()), *parts, else_=null())


@lru_cache(maxsize=KEPT)
def _stretches(zone: str, days: tuple[date, ...]) -> tuple[datetime, Sequence[EvenDays]]:
    """When the first day begins, and the stretches in order: of ninety days about three."""
    starts = [start_of_day(day, zone) for day in (*days, days[-1] + ONE)]
    found: list[EvenDays] = []
    for day, (start, end) in zip(days, pairwise(starts), strict=True):
        midnight = datetime.combine(day, time(), UTC)
        ahead = int((midnight - start).total_seconds()) if end - start == ONE else None
        if ahead is not None and found and found[-1].ahead == ahead:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(EvenDays(day, end, ahead))
    return starts[0], found
