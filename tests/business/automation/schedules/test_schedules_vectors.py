"""Lines whose times are known: what Debian's cron does with them, and what it refuses."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.business.automation.services.schedules.calendar import next_instants, parse_schedule
from app.business.errors import Invalid

DATA = Path(__file__).parents[3] / "data"


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / name).read_text())
    return found


def due(row: dict[str, Any], after: str) -> list[datetime]:
    data = {"cron": row["cron"], "timezone": row.get("timezone", "UTC")}
    schedule = parse_schedule(data, shortest_interval_minutes=None)
    return next_instants(schedule, datetime.fromisoformat(after), len(row["due"]))


def test_known_lines_are_due_at_their_known_times() -> None:
    known = [row for row in rows("cron_next_times.json") if "due" in row]
    assert len(known) == 269
    for row in known:
        assert due(row, row["after"]) == [datetime.fromisoformat(at) for at in row["due"]], row


def test_times_that_fall_into_one_gap_run_once() -> None:
    collapsed = [row for row in rows("cron_next_times.json") if "collapsed" in row]
    assert len(collapsed) == 3
    for row in collapsed:
        times = due(row, row["after"])
        assert all(times.count(datetime.fromisoformat(at)) == 1 for at in row["collapsed"]), row


def test_accepted_forms_are_due_at_their_known_times() -> None:
    for row in [row for row in rows("cron_syntax.json") if "due" in row]:
        assert due(row, "2026-01-15T10:20:00+00:00") == [datetime.fromisoformat(at) for at in row["due"]], row


def test_syntax_beyond_the_five_fields_is_refused() -> None:
    foreign = [row for name in ("cron_next_times.json", "cron_syntax.json") for row in rows(name)]
    foreign = [row for row in foreign if "refused" in row]
    assert len(foreign) > 90
    for row in foreign:
        with pytest.raises(Invalid, match=r"\w+ .+\."):
            parse_schedule({"cron": row["cron"]}, shortest_interval_minutes=None)


@pytest.mark.parametrize("row", [row for row in rows("cron_syntax.json") if "accepted" in row], ids=str)
def test_names_for_whole_lines_are_saved_as_five_fields(row: dict[str, Any]) -> None:
    schedule = parse_schedule({"cron": row["cron"]}, shortest_interval_minutes=None)
    assert schedule.cron is not None
    assert len(schedule.cron.split()) == 5
