"""The page of notices: by day, alike ones together with a line each, the unread apart, older ones on further pages."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> Iterator[FlaskClient]:
    """It is noon for as long as the test goes on."""
    with time_machine.travel(NOON, tick=False):
        yield browser_of(app, session, people.viewer)


def tell(session: Session, people: People, title: str, ago: timedelta, level: str = "danger") -> None:
    account = people.account.id
    add_notice(session, account_id=account, level=level, title=title, body=f"Of {title}", now=NOON - ago)


def read(page: FlaskClient, query: str = "") -> str:
    return page.get(f"/notices{query}").text


def notices_by_day(text: str) -> list[tuple[str, list[str], list[str]]]:
    """Of each day its name, the titles told in full, and those told in a line."""
    days = re.findall(r"<h2>([^<]+)</h2>(.*?)</section>", text, re.S)
    return [
        (
            name,
            re.findall(r"<strong>(.*?)</strong>", body),
            re.findall(r'class="alike-text"[^>]*>(.*?)<', body),
        )
        for name, body in days
    ]


def test_alike_notices_of_a_day_are_told_together(
    session: Session, people: People, page: FlaskClient
) -> None:
    for hours, title in enumerate(["“Nightly” failed", "“Weekly” failed", "24 % are left", "12 % are left"]):
        tell(session, people, title, timedelta(hours=hours))
    tell(session, people, "“Hourly” failed", timedelta(hours=4), level="warning")
    tell(session, people, "“Nightly” failed", timedelta(days=1))
    tell(session, people, "“Nightly” failed", timedelta(days=9))
    session.commit()
    shown = read(page)
    assert notices_by_day(shown) == [
        (
            "Today",
            ["“Nightly” failed", "24 % are left", "“Hourly” failed"],
            ["“Weekly” failed", "12 % are left"],
        ),
        ("Yesterday", ["“Nightly” failed"], []),
        ("21 Nov 2026", ["“Nightly” failed"], []),
    ]
    assert shown.count("1 more like it") == 2


def test_a_day_is_one_of_the_readers_zone(session: Session, people: People, page: FlaskClient) -> None:
    people.viewer.timezone = "Pacific/Auckland"  # 13 hours ahead: it is the first of December there
    tell(session, people, "Before midnight", timedelta(hours=2))
    tell(session, people, "After midnight", timedelta(minutes=30))
    session.commit()
    assert [name for name, _, _ in notices_by_day(read(page))] == ["Today", "Yesterday"]


def test_what_repeats_the_same_words_is_told_by_its_text(
    session: Session, people: People, page: FlaskClient
) -> None:
    for hours in (0, 1):
        tell(session, people, "Orders", timedelta(hours=hours))
    session.commit()
    assert notices_by_day(read(page)) == [("Today", ["Orders"], ["Of Orders"])]


def test_unread_notices_stand_apart_and_older_ones_follow(
    session: Session, people: People, page: FlaskClient
) -> None:
    for number in range(51):
        tell(session, people, f"Letter {chr(97 + number % 26)}{number // 26}", timedelta(minutes=number))
    session.commit()
    shown = read(page)
    assert "Letter y1" not in shown
    following = re.search(r'href="(/notices\?cursor=[^"]+)"', shown)
    assert following
    assert "Letter y1" in page.get(following[1]).text
    assert "Letter a0" in read(page, "?unread=1")
    page.post("/notices/read")
    unread = read(page, "?unread=1")
    assert "Letter a0" not in unread
    assert "Nothing unread" in unread
    assert "Letter a0" in read(page)
