"""Formatting of times, numbers and credits."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from app.modules import display

AT = datetime(2026, 11, 24, 8, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text"),
    [("Europe/Berlin", "24 Nov 2026, 09:07 CET"), ("America/Sao_Paulo", "24 Nov 2026, 05:07 UTC-03")],
)
def test_a_time_names_its_zone(zone: str, text: str) -> None:
    assert display.when(AT, zone) == text


def test_without_a_person_times_are_in_utc() -> None:
    with Flask("display").app_context():
        assert display.when(AT) == "24 Nov 2026, 08:07 UTC"
        assert display.exact(AT) == "2026-11-24 08:07:12 UTC"


def test_the_exact_time_shows_both_zones() -> None:
    assert display.exact(AT, "Europe/Berlin") == "2026-11-24 09:07:12 Europe/Berlin (08:07:12 UTC)"
    assert display.instant(AT) == "2026-11-24T08:07:12Z"


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=4), "just now"),
        (timedelta(seconds=-40), "40 seconds ago"),
        (timedelta(minutes=5), "in 5 minutes"),
        (timedelta(hours=-1, minutes=-59), "1 hour ago"),
        (timedelta(days=40), "in 40 days"),
    ],
)
def test_distances_read_in_the_unit_that_fits(distance: timedelta, text: str) -> None:
    assert display.relative(AT + distance, AT) == text


def test_numbers_and_credits_are_grouped() -> None:
    assert (display.number(-5), display.number(-0.5), display.credits(-1)) == ("−5", "−0.5", "−1 credits")
    assert (display.number(20310), display.number(0.5), display.number(1200.0)) == ("20,310", "0.5", "1,200")
    assert (display.credits(1), display.credits(1284)) == ("1 credit", "1,284 credits")
    assert display.plural(2, "entry", "entries") == "2 entries"


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    shares = [display.percent(share) for share in (1, 0.9999, 0.975, 0.0001, 0)]
    assert shares == [f"{text}\u00a0%" for text in ("100", "99.9", "97.5", "0.1", "0")]


def test_durations_read_in_two_units_at_most() -> None:
    assert [display.duration(seconds) for seconds in (0, 0.004, 0.42, 12, 185, 7800)] == [
        "under 0.1 s",
        "under 0.1 s", "0.4 s", "12 s", "3 min 5 s", "2 h 10 min",
    ]  # fmt: skip


def test_a_missing_value_is_shown_as_a_dash() -> None:
    assert {display.when(None), display.relative(None), display.day(None), display.number(None)} == {"–"}
    assert display.day(date(2026, 3, 1)) == "1 Mar 2026"


FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox on Windows",
        ),
        (IPHONE, "Mobile Safari on iOS"),
        ("curl/8.1", "curl"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_is_named_in_words(said: str, name: str) -> None:
    assert display.browser(said) == name
