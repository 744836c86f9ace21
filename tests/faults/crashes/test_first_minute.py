"""When trials begin: after a quarter of an hour has begun, and never in the future."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.crashes.conftest import first_minute

QUARTER = datetime(2026, 11, 30, 16, 15, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [0, 0.01, 20, 59.9, 60, 60.1, 600, 899.9])
def test_trials_begin_a_minute_after_the_quarter_and_not_in_the_future(seconds: float) -> None:
    now = QUARTER + timedelta(seconds=seconds)
    begins = first_minute(now)
    assert now - timedelta(minutes=15) < begins <= now
    assert (begins.minute % 15, begins.second, begins.microsecond) == (1, 0, 0)
