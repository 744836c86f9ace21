"""Sentences for schedules, and presets in place of cron."""

from datetime import time

import pytest

from app.business.automation.services.schedules.calendar import parse_schedule
from app.business.automation.services.schedules.description import describe
from app.business.automation.services.schedules.presets import STEPS, Preset, preset_of


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 9 * * *", "Every day at 09:00 Europe/Warsaw"),
        ("0 6 * * 1-5", "Every Monday to Friday at 06:00 Europe/Warsaw"),
        ("0 6 * * MON,WED", "Every Monday and Wednesday at 06:00 Europe/Warsaw"),
        ("0 9 * * 0,6", "Every Saturday and Sunday at 09:00 Europe/Warsaw"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("@hourly", "Every hour"),
        ("7 * * * *", "Every hour at 7 minutes past"),
        ("0 */2 * * *", "Every 2 hours, Europe/Warsaw"),
        ("0,30 0 * * *", "Every day at 00:00 and 00:30 Europe/Warsaw"),
        ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45, Monday to Friday, Europe/Warsaw"),
        ("30 9,12,17 * * *", "Every day at 09:30, 12:30 and 17:30 Europe/Warsaw"),
        ("0 9 1 * *", "On the 1st of every month at 09:00 Europe/Warsaw"),
        ("0 9 2,23 * *", "On the 2nd and 23rd of every month at 09:00 Europe/Warsaw"),
        ("0 9 31 * *", "On the 31st of every month that has it at 09:00 Europe/Warsaw"),
        ("0 9 * 1,7 *", "Every day in January and July at 09:00 Europe/Warsaw"),
        ("@yearly", "Every year on 1 January at 00:00 Europe/Warsaw"),
        ("0 0 29 2 *", "On 29 February, in leap years only, at 00:00 Europe/Warsaw"),
        ("0 9 13 * 5", "On the 13th of every month, or any Friday, at 09:00 Europe/Warsaw"),
        ("0 9 */2 6 6", "Every Saturday that is the 1st, 3rd, 5th … 29th of June at 09:00 Europe/Warsaw"),
        ("*/7 * * * *", "At 0, 7, 14, 21, 28, 35, 42, 49, and 56 minutes past the hour"),
    ],
)
def test_a_line_reads_as_a_plain_sentence(cron: str, sentence: str) -> None:
    schedule = parse_schedule({"cron": cron, "timezone": "Europe/Warsaw"}, shortest_interval_minutes=None)
    assert describe(schedule) == sentence


def test_a_single_moment_and_a_window_read_as_sentences() -> None:
    once = parse_schedule({"at": "2026-12-01T09:00:00Z"}, shortest_interval_minutes=None)
    assert describe(once) == "Once, on 1 Dec 2026 at 09:00 UTC"
    window = {"starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-31T00:00:00Z"}
    daily = parse_schedule({"cron": "0 9 * * *", **window}, shortest_interval_minutes=None)
    assert describe(daily) == "Every day at 09:00 UTC, from 1 Dec 2026 at 00:00, until 31 Dec 2026 at 00:00"


PRESETS = [
    *(Preset("minutes", every=step) for step in STEPS),
    Preset("hourly", at=time(0, 7)),
    Preset("window", every=30, at=time(9), weekdays=(2, 3, 4), until=11),
    Preset("window", every=60, at=time(0), weekdays=(1, 2, 3, 4, 5, 6, 7), until=24),
    Preset("window", every=5, at=time(22), weekdays=(1, 3), until=23),
    Preset("daily", at=time(9, 30)),
    Preset("weekdays", at=time(6)),
    Preset("weekly", at=time(6), weekdays=(1, 3, 7)),
    Preset("monthly", at=time(23, 59), day=31),
]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.cron)
def test_a_preset_gives_a_line_and_is_recognised_in_it(preset: Preset) -> None:
    found = preset_of(preset.cron)
    assert found is not None
    assert (found.kind, found.cron) == (preset.kind, preset.cron)


@pytest.mark.parametrize("cron", ["*/7 * * * *", "0 9 1,15 * *", "0 9 13 * 5", "0 9,17 * * *", "0 9 * 1 *"])
def test_other_lines_are_no_preset(cron: str) -> None:
    assert preset_of(cron) is None
