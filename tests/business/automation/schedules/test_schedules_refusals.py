"""Invalid schedules, and the sentence for each."""

from typing import Any

import pytest

from app.business.automation.services.schedules.calendar import parse_schedule
from app.business.errors import Invalid

PLAN_MINUTES = 5


def refusal(**data: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        parse_schedule(data, shortest_interval_minutes=PLAN_MINUTES)
    return caught.value.errors


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("61 * * * *", "Minute must be 0-59 (you wrote 61). Example: 0,30 or */15."),
        ("0 24 * * *", "Hour must be 0-23 (you wrote 24). Example: 9 or 9-17."),
        ("0 0 0 * *", "Day of month must be 1-31 (you wrote 0). Example: 1 or 1,15."),
        ("0 0 1 13 *", "Month must be 1-12 or JAN-DEC (you wrote 13). Example: 1-6 or JAN,JUL."),
        ("0 0 * * 8", "Day of week must be 0-7 or SUN-SAT (you wrote 8). Example: 1-5 or MON-FRI."),
        ("*/0 * * * *", "Minute step must be 1-59 (you wrote */0). Example: 0,30 or */15."),
        ("*/90 * * * *", "Minute step must be 1-59 (you wrote */90). Example: 0,30 or */15."),
        ("5-1 * * * *", "Minute '5-1' runs backwards; list the values with commas."),
        ("0/15 * * * *", "Minute '0/15' needs a range: 0-59/15."),
        ("H * * * *", "Minute must be 0-59 (you wrote H). Example: 0,30 or */15."),
        ("0 0 L * *", "Day of month must be 1-31 (you wrote L). Example: 1 or 1,15."),
        ("0 0 15W * *", "Day of month cannot be '15W'. Example: 1 or 1,15."),
        ("0 0 * * 5#2", "Day of week cannot be '5#2'. Example: 1-5 or MON-FRI."),
        ("0 0 ? * *", "Day of month cannot be '?'. Example: 1 or 1,15."),
        ("0 0 1, * *", "Day of month cannot be ''. Example: 1 or 1,15."),
        ("0 0 30 2 *", "This date never comes: 30 February. Choose another day or month."),
        ("0 0 31 4,6 *", "This date never comes: 31 April or June. Choose another day or month."),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_an_example(cron: str, sentence: str) -> None:
    assert refusal(cron=cron) == {"schedule.cron": [sentence]}


@pytest.mark.parametrize(
    ("cron", "gap"),
    [("* * * * *", "1 minute"), ("0,59 0,23 * * *", "1 minute"), ("*/7 * * * *", "4 minutes")],
)
def test_times_nearer_than_the_plan_allows_are_refused(cron: str, gap: str) -> None:
    sentence = f"Shortest allowed is every 5 minutes on your plan; this line has two {gap} apart."
    assert refusal(cron=cron) == {"schedule.cron": [sentence]}


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * *", "Use five fields"),
        ("0 0 9 * * *", "(you wrote 6)"),
        ("0 0 9 * * * 2026", "(you wrote 7)"),
        ("@reboot", "Unknown name '@reboot'"),
        ("@every 5m", "Use five fields, or one of @hourly"),
        ("６ 9 * * *", r"remove '\uff16'"),
        ("0 9 * * *\n", r"remove '\n'"),
        ("0 9 * * *\0", r"remove '\x00'"),
        ("0 9 * * * " * 1000, "Use at most 500 characters; this line has 10,000."),
        ("", "Write five fields"),
        (5, "Write five fields"),
    ],
)
def test_text_that_is_no_cron_line_is_refused_with_an_example(cron: Any, words: str) -> None:
    (sentence,) = refusal(cron=cron)["schedule.cron"]
    assert words in sentence


def test_every_wrong_field_has_its_own_sentence() -> None:
    assert len(refusal(cron="99 24 32 13 8")["schedule.cron"]) == 5
    assert set(refusal(cron="61 * * * *", timezone="Nowhere")) == {"schedule.cron", "schedule.timezone"}


@pytest.mark.parametrize(
    "cron", ["*/5 * * * *", "0 0 29 2 *", "0,59 0,23 * * 1", "0 0 31 2 1", "0 9 * * mon-FRI", "@hourly"]
)
def test_rare_and_just_allowed_lines_are_accepted(cron: str) -> None:
    assert parse_schedule({"cron": cron}, shortest_interval_minutes=PLAN_MINUTES).cron


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "schedule.cron"),
        ({"cron": None}, "schedule.cron"),
        ({"cron": "0 9 * * *", "at": "2026-12-01T09:00:00Z"}, "schedule.at"),
        ({"at": "2026-12-01T09:00:00"}, "schedule.at"),
        ({"at": "soon"}, "schedule.at"),
        ({"at": 5}, "schedule.at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "schedule.at"),
        ({"cron": "0 9 * * *", "every": 5}, "schedule.every"),
        ({"cron": "0 9 * * *", "timezone": None}, "schedule.timezone"),
        ({"cron": "0 9 * * *", "starts_at": "x"}, "schedule.starts_at"),
        (
            {"cron": "0 9 * * *", "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"},
            "schedule.ends_at",
        ),
    ],
)
def test_the_other_keys_are_checked_too(data: dict[str, Any], path: str) -> None:
    assert list(refusal(**data)) == [path]
