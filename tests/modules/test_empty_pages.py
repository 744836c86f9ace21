"""A new account: every page says what belongs there and offers the next step."""

import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.people import browser_of, make_people

LISTS = (
    "/rules",
    "/history",
    "/history/days",
    "/incidents",
    "/keywords",
    "/clusters",
    "/ideas",
    "/tasks",
    "/content",
    "/sites",
    "/webhooks",
    "/notices",
    "/my-work",
    "/my-work?list=due",
    "/my-work?list=failed",
)


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_empty_lists_teach(app: Flask, session: Session, role: str) -> None:
    browser = browser_of(app, session, getattr(make_people(session), role))
    silent, leads_nowhere, filtered = [], [], []
    for address in LISTS:
        answer = browser.get(address)
        if answer.status_code == 403:
            continue
        found = re.search(r'<div class="empty">(.*?)</div>\s*(?=</div>|</main>|<)', answer.text, re.DOTALL)
        if not found or len(re.sub(r"<[^>]+>|\s+", " ", found[1]).split()) < 8:
            silent.append(address)
        elif role == "owner" and 'class="empty-actions"' not in answer.text:
            leads_nowhere.append(address)
        if 'class="filters' in answer.text:
            filtered.append(address)
    assert silent == []
    assert leads_nowhere == []
    # There is nothing to choose among.
    assert filtered == []


@pytest.mark.parametrize(("role", "whose"), [("owner", "Add one here."), ("operator", "An owner adds it.")])
def test_without_a_site_nothing_is_added_and_the_page_says_why(
    app: Flask, session: Session, role: str, whose: str
) -> None:
    browser = browser_of(app, session, getattr(make_people(session), role))
    for address in ("/keywords/new", "/clusters/new", "/ideas/new", "/tasks/new"):
        answer = browser.get(address, follow_redirects=True)
        assert (answer.request.path, answer.status_code) == ("/sites", 200)
        assert f"First a site: keywords, clusters, ideas and tasks belong to one. {whose}" in answer.text
