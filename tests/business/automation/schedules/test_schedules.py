"""The calendar of one schedule: windows, single moments, clock changes as people see them, far years."""

from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any

import pytest

from app.business.automation.services.schedules.calendar import (
    Schedule,
    due_instants,
    first_due_after,
    next_instants,
    parse_schedule,
    preview,
)

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


def schedule(cron: str, timezone: str = "UTC", **more: Any) -> Schedule:
    return parse_schedule({"cron": cron, "timezone": timezone, **more}, shortest_interval_minutes=None)


def texts(instants: list[datetime]) -> list[str]:
    return [f"{instant:%Y-%m-%d %H:%M}" for instant in instants]


def test_a_window_excludes_its_beginning_and_includes_its_end() -> None:
    daily = schedule("0 9 * * *")
    assert list(due_instants(daily, NINE, NINE + timedelta(days=1))) == [NINE + timedelta(days=1)]
    assert list(due_instants(daily, NINE - timedelta.resolution, NINE)) == [NINE]


def test_touching_windows_find_every_time_once() -> None:
    often, minutes = schedule("*/7 * * * *", "Australia/Lord_Howe"), timedelta(minutes=17)
    edges = [NINE + index * minutes for index in range(100)]
    parts = [list(due_instants(often, first, last)) for first, last in pairwise(edges)]
    assert list(chain(*parts)) == list(due_instants(often, edges[0], edges[-1]))


def test_a_schedule_keeps_to_its_start_its_end_and_its_pause() -> None:
    window = {"starts_at": "2026-11-26T09:00:00Z", "ends_at": "2026-11-29T10:00:00+01:00"}
    daily = schedule("0 9 * * *", **window)
    assert texts(next_instants(daily, NINE, 10)) == [f"2026-11-{day} 09:00" for day in (26, 27, 28, 29)]
    paused = daily.model_copy(update={"paused_until": datetime(2026, 11, 28, tzinfo=UTC)})
    assert texts(next_instants(paused, NINE, 10)) == ["2026-11-28 09:00", "2026-11-29 09:00"]


def test_a_single_moment_is_due_once() -> None:
    once = parse_schedule({"at": "2026-12-01T10:00:00+01:00"}, shortest_interval_minutes=5)
    assert first_due_after(once, NINE) == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert first_due_after(once, datetime(2026, 12, 1, 9, tzinfo=UTC)) is None


def test_what_is_saved_reads_back_as_the_same_schedule() -> None:
    weekly = schedule("@weekly", "Europe/Warsaw", ends_at="2026-12-01T09:00:00+01:00")
    saved = weekly.as_json()
    assert saved == {"cron": "0 0 * * 0", "timezone": "Europe/Warsaw", "ends_at": "2026-12-01T08:00:00+00:00"}
    assert parse_schedule(saved, shortest_interval_minutes=5) == weekly


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("0 0 29 2 *", "2026-11-24", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 0 29 2 *", "2096-03-01", ["2104-02-29 00:00"]),
        ("0 0 29 2 */7", "2026-11-24", ["2032-02-29 00:00", "2060-02-29 00:00"]),
        ("0 12 31 * *", "2027-01-31", ["2027-01-31 12:00", "2027-03-31 12:00", "2027-05-31 12:00"]),
        ("59 23 31 12 *", "2026-11-24", ["2026-12-31 23:59", "2027-12-31 23:59"]),
        ("14 3 * * *", "2038-01-19", ["2038-01-19 03:14", "2038-01-20 03:14"]),
        ("0 6 28 2 *", "2100-02-27", ["2100-02-28 06:00", "2101-02-28 06:00"]),
        ("0 6 * * *", "2100-02-27T12:00", ["2100-02-28 06:00", "2100-03-01 06:00"]),
        ("0 0 31 2 1", "2026-11-24", ["2027-02-01 00:00", "2027-02-08 00:00"]),
        ("0 0 1-31 * 1", "2026-11-24", ["2026-11-25 00:00", "2026-11-26 00:00"]),
    ],
)
def test_rare_and_far_dates_come_when_the_calendar_has_them(cron: str, after: str, due: list[str]) -> None:
    since = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert texts(next_instants(schedule(cron), since, len(due))) == due


@pytest.mark.parametrize(
    ("cron", "zone", "after", "shown"),
    [
        ("30 2 * * *", "America/New_York", "2026-03-08", "03:00 clocks change: moved from 02:30"),
        ("30 1 * * *", "America/New_York", "2026-11-01", "01:30 clocks change: first of the two 01:30s"),
        ("30 * * * *", "America/New_York", "2026-11-01T06", "01:30 clocks change: second of the two 01:30s"),
        ("15 0 * * *", "Africa/Cairo", "2026-04-23T20", "01:00 clocks change: moved from 00:15"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12", "02:30 clocks change: moved from 02:15"),
        ("0 9 * * *", "Europe/Warsaw", "2026-11-24", "09:00 "),
    ],
)
def test_a_preview_marks_the_effect_of_a_clock_change(cron: str, zone: str, after: str, shown: str) -> None:
    (planned,) = preview(schedule(cron, zone), datetime.fromisoformat(after).replace(tzinfo=UTC), 1)
    assert planned.utc == planned.local.astimezone(UTC)
    assert f"{planned.local:%H:%M} {planned.note}" == shown


def test_moments_at_the_edges_of_the_calendar_are_handled() -> None:
    daily = schedule("0 9 * * *")
    assert first_due_after(daily, datetime.min.replace(tzinfo=UTC)) is not None
    assert first_due_after(daily, datetime.max.replace(tzinfo=UTC)) is None
