"""The grid of rules and days, and the strip of last runs in the list of rules."""

import re
from datetime import timedelta

from flask import Flask
from sqlalchemy.orm import Session

from tests.modules.automation_pages import counted, make_rule, make_run
from tests.people import browser_of, make_people


def test_a_day_says_how_its_runs_ended_and_leads_to_them(app: Flask, session: Session) -> None:
    people = make_people(session)
    people.account.timezone = "UTC"
    rule, stranger = (
        make_rule(session, people.account),
        make_rule(session, people.stranger.account, name="Theirs"),
    )
    days_ago = timedelta(days=3)
    for status in ("completed", "completed", "failed"):
        make_run(session, rule, status, days_ago)
    make_run(session, rule, "skipped", timedelta(days=5))
    make_run(session, stranger, "failed", days_ago)
    browser = browser_of(app, session, people.viewer)
    page = browser.get("/history/days").text
    cells = re.findall(r'<a class="day-cell is-(\w+)" href="([^"]+)" title="[^:]+: ([^"]+)"', page)
    assert [(look, words) for look, _, words in cells] == [
        ("skipped", "1 skipped"),
        ("mixed", "2 completed, 1 failed"),
    ]
    assert "Theirs" not in page
    assert ">66.7\u00a0%<" in page
    runs = browser.get(cells[1][1].replace("&amp;", "&")).text
    assert runs.count('<tr role="row" id="run_') == 3
    with counted() as sent:
        browser.get("/history/days")
    few = len(sent)
    for number in range(6):
        make_run(session, make_rule(session, people.account, name=f"More {number}"), "completed")
    with counted() as sent:
        browser.get("/history/days")
    assert len(sent) == few, "however many rules there are"


def test_the_list_of_rules_shows_the_last_ends_in_words_too(app: Flask, session: Session) -> None:
    people = make_people(session)
    rule = make_rule(session, people.account)
    for number, status in enumerate(["completed"] * 11 + ["failed", "skipped"]):
        make_run(session, rule, status, timedelta(hours=20 - number))
    page = browser_of(app, session, people.viewer).get("/rules").text
    assert 'aria-label="Last 12 runs: 10 completed, 1 failed, 1 skipped"' in page
    (strip,) = re.findall(r'<svg class="spark".*?</svg>', page, re.DOTALL)
    assert re.findall(r'class="is-(\w+)"', strip) == ["completed"] * 10 + ["failed", "skipped"]
