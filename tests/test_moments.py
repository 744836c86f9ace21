"""A test of pages never sees midnight, whenever it is begun."""

from datetime import UTC, datetime

import pytest

from tests.moments import away_from_midnight, clock_of

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)
SPARED = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (NOON, NOON),
        (datetime(2026, 12, 31, 23, 54, 59, tzinfo=UTC), datetime(2026, 12, 31, 23, 54, 59, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 55, tzinfo=UTC), SPARED),
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), SPARED),
        (datetime(2027, 1, 1, tzinfo=UTC), SPARED),
        (SPARED, SPARED),
    ],
)
def test_a_test_begins_at_once_or_after_midnight(now: datetime, begins: datetime) -> None:
    assert away_from_midnight(now) == begins


@pytest.mark.parametrize(
    ("test", "at", "begins"),
    [
        ("tests/modules/test_periods.py::test", "2026-12-31T23:59:59+00:00", SPARED),
        ("tests/journeys/test_on_time.py::test", "2026-12-31T23:59:59+00:00", SPARED.replace(minute=0)),
        (
            "tests/modules/test_periods.py::test",
            "2028-02-29T12:00+00:00",
            datetime(2028, 2, 29, 12, tzinfo=UTC),
        ),
    ],
)
def test_its_clock_goes_on_from_there(test: str, at: str, begins: datetime) -> None:
    with clock_of(test, NOON, at):
        passed = datetime.now(UTC) - begins
    assert -1 <= passed.total_seconds() < 60
