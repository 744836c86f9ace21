"""The day of an instant in SQL is the one whose start it does not precede, to the microsecond."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import literal, select, union_all
from sqlalchemy.orm import Session

from app.business.base import UtcDateTime
from app.business.local_days import on_day
from app.business.time_zones import start_of_day

pytestmark = pytest.mark.both_databases

TINY = timedelta(microseconds=1)
DAYS = 200


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("UTC", date(2026, 1, 1)),
        ("Europe/Berlin", date(2026, 3, 1)),
        ("America/New_York", date(2026, 9, 1)),
        ("Asia/Kathmandu", date(2026, 1, 1)),
        ("Australia/Lord_Howe", date(2026, 3, 1)),  # half an hour
        ("America/Asuncion", date(2024, 2, 1)),  # at midnight
        ("America/Havana", date(2026, 9, 1)),
        ("Pacific/Apia", date(2011, 11, 1)),  # a day left out
    ],
)
def test_the_day_of_an_instant(session: Session, zone: str, first: date) -> None:
    days = [first + timedelta(days=number) for number in range(DAYS)]
    starts = [start_of_day(day, zone) for day in (*days, days[-1] + timedelta(days=1))]
    instants = sorted(
        {
            start + away
            for start in starts
            for away in (-TINY, timedelta(0), timedelta(hours=11, microseconds=9))
        }
    )
    expected = {}
    for at in instants:
        last = max((number for number, start in enumerate(starts) if start <= at), default=-1)
        expected[at] = days[last] if 0 <= last < DAYS else None
    for begin in range(0, len(instants), 100):
        part = instants[begin : begin + 100]
        rows = union_all(*(select(literal(at, UtcDateTime()).label("at")) for at in part)).subquery().c
        found = dict(map(tuple, session.execute(select(rows.at, on_day(rows.at, zone, days)))))
        assert found == {at.astimezone(UTC): expected[at] for at in part}


def test_ninety_days_are_told_apart_by_few_values(session: Session) -> None:
    days = [date(2026, 8, 1) + timedelta(days=number) for number in range(90)]
    query = select(on_day(literal(datetime.now(UTC), UtcDateTime()), "Europe/Berlin", days))
    compiled = query.compile(dialect=session.get_bind().dialect)
    assert len(compiled.params) <= 15
