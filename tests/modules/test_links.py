"""Every link, button and form that a page offers somebody leads where that person may go."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from app.modules.access import permission_of
from tests.modules.automation_pages import make_rule, make_run
from tests.modules.permissions import NEEDED, ROLES, address, make_rows
from tests.modules.test_permissions import calls, is_api, query_of
from tests.modules.test_scopes import make_others
from tests.people import browser_of, make_people
from tests.sampling import share, times

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

CASES = [(role, "one site") for role in ROLES[:-1]] + [(role, "all sites") for role in ROLES]
"""Owners see all sites."""
LINKS = {"a[href]": "href", "[hx-get]": "hx-get"}
MENU_LINK = re.compile(r'<a class="side-link" href="([^"]+)".*?</svg>([^<]+)', re.DOTALL)
HEADING, TITLE = re.compile("<h1[^>]*>([^<]*)</h1>"), re.compile("<head>.*?<title>(.*?) · ", re.DOTALL)
WAY_UP = re.compile(r'<li title="[^"]*"><a href="([^"]+)">([^<]*)</a>')
EMPTY = re.compile(r"[?&]\w+=(&|$)")
"""A value that a page meant to leave out of its address."""
NIGHTLY = {"cron": "0 2 * * *", "timezone": "UTC"}
SENT = {"form": "action", "button[formaction]": "formaction", "[hx-post]": "hx-post"}


@dataclass(frozen=True, order=True)
class Offer:
    """Something to click on a page. method: how it is asked for."""

    path: str
    method: str
    shown_on: str


@pytest.mark.parametrize(("role", "places"), times(full=CASES, sample=CASES[:3]))
def test_what_is_offered_is_allowed(app: Flask, session: Session, role: str, places: str) -> None:
    """Of every page; in everyday runs each case reads another part of them."""
    app.config["RATELIMIT_ENABLED"] = False
    people = make_people(session)
    rows = make_rows(app, session, people)
    make_others(session, people)
    wide = make_rule(session, people.account, name="Of all sites", split_by="site", schedule=NIGHTLY)
    of_site = {"site_id": int(rows["site"]), "cause": "schedule"}
    runs = [
        make_run(session, wide, "completed", **of_site),
        make_run(session, wide, "pending", waiting_for="credits", **of_site),
        make_run(session, wide, "failed", reason="insufficient_credits", **of_site),
        make_run(session, wide, "skipped", reason="daily_limit", **of_site),
    ]
    person = getattr(people, role)
    person.site_ids = [int(rows["site"])] if places == "one site" else None
    session.commit()
    browser = browser_of(app, session, person)
    read = share(
        [*pages(app, rows), *(f"/runs/{run.id}" for run in runs)], CASES.index((role, places)), of=len(CASES)
    )
    offers = {offer.path + offer.method: offer for page in read for offer in offered(browser, page)}
    assert len(offers) > times(full=40, sample=10)
    wrong = [offer for offer in offers.values() if not may_go(app, browser, role, places, offer)]
    app.config["RATELIMIT_ENABLED"] = True
    assert [offer for offer in offers.values() if EMPTY.search(offer.path)] == []
    assert [f"{offer.method} {offer.path} on {offer.shown_on}" for offer in sorted(wrong)] == []


def test_pages_are_called_as_the_menu_calls_them(app: Flask, session: Session) -> None:
    """Menu, heading, title of the window and the first step of the way up have one name for a page."""
    app.config["RATELIMIT_ENABLED"] = False
    people = make_people(session)
    rows = make_rows(app, session, people)
    session.commit()
    browser = browser_of(app, session, people.owner)
    menu = {path: label.strip() for path, label in MENU_LINK.findall(browser.get("/").text)}
    assert len(menu) > 15
    below = [path for path in pages(app, rows) if path.rpartition("/")[0] in menu]
    wrong, ups = [], 0
    for path in [*menu, *share(below, 0, of=3)]:
        text = browser.get(path).text
        names = {*HEADING.findall(text), *TITLE.findall(text)}
        if path in menu and names != {menu[path]}:
            wrong.append(f"{path} is called {names}")
        way_up = WAY_UP.findall(text)
        wrong += [f"{path} calls {up} {name}" for up, name in way_up if menu.get(up, name) != name]
        ups += len(way_up)
    app.config["RATELIMIT_ENABLED"] = True
    assert ups > 5
    assert wrong == []


def pages(app: Flask, rows: dict[str, str]) -> Iterator[str]:
    for endpoint, method, rule in calls(app):
        if method == "GET" and not is_api(rule) and NEEDED[endpoint] != "anyone" and "<name>" not in rule:
            yield address(rule, rows) + query_of(endpoint)


def offered(browser: FlaskClient, page: str) -> Iterator[Offer]:
    answer = browser.get(page)
    if answer.status_code != 200 or answer.mimetype != "text/html":
        return
    shown = BeautifulSoup(answer.text, "html.parser")
    for method, kinds in (("GET", LINKS), ("POST", SENT)):
        for selector, attribute in kinds.items():
            for element in filter(can_be_sent, shown.select(selector)):
                target = urlsplit(urljoin(f"http://console{page}", str(element.get(attribute, ""))))
                how = str(element.get("method", "get")).upper() if selector == "form" else method
                if how in ("GET", "POST") and target.netloc == "console" and not element.has_attr("disabled"):
                    yield Offer(target._replace(scheme="", netloc="", fragment="").geturl(), how, page)


def can_be_sent(element: Tag) -> bool:
    """A form without a button only holds the ticks of a list."""
    return element.name != "form" or element.select_one("button:not([type=button])") is not None


def may_go(app: Flask, browser: FlaskClient, role: str, places: str, offer: Offer) -> bool:
    """By what the address needs; pages of rows are opened, for those that are not to be seen."""
    try:
        endpoint, row = app.url_map.bind("console").match(urlsplit(offer.path).path, offer.method)
    except HTTPException:
        return False
    with app.app_context():
        needed = permission_of(endpoint)
    if needed is None or needed.role is None:
        return needed is not None
    if ROLES.index(role) < ROLES.index(needed.role.value) or (needed.whole_account and places == "one site"):
        return False
    return offer.method != "GET" or not row or browser.get(offer.path).status_code not in (403, 404)
