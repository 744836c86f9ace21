"""Filters of the history under a name: one's own, shared ones, and who removes them."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.saved_filter_models import SavedFilter
from app.business.accounts.services import saved_filters
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def menu(browser: FlaskClient) -> list[tuple[str, str]]:
    """Address and name of each saved filter."""
    page = browser.get("/history").text
    found = re.findall(r'href="(/history\?[^"]+)">\s*<span>([^<]+?)\s*<', page)
    return [(address.replace("&amp;", "&"), name) for address, name in found]


def test_the_address_is_kept_under_a_name_and_leads_back(
    app: Flask, session: Session, people: People
) -> None:
    mine, other = (browser_of(app, session, user) for user in (people.operator, people.editor))
    stranger = browser_of(app, session, people.stranger)
    assert menu(mine) == []
    assert "Save filter" in mine.get("/history?status=failed").text
    assert "Save filter" not in mine.get("/history").text
    answer = mine.post("/history/filters?status=failed&since=7&nonsense=1", data={"name": " My failures "})
    assert answer.headers["Location"] == "/history?status=failed&since=7"
    mine.post("/history/filters?cost_min=5", data={"name": "Dear ones", "is_shared": "y"})
    assert menu(mine) == [
        ("/history?cost_min=5", "Dear ones"),
        ("/history?status=failed&since=7", "My failures"),
    ]
    assert menu(other) == [("/history?cost_min=5", "Dear ones")]
    assert menu(stranger) == []
    # The same name again is the same filter.
    mine.post("/history/filters?status=skipped", data={"name": "My failures"})
    assert menu(mine)[1][0] == "/history?status=skipped"


def test_others_remove_only_shared_ones_and_only_as_editors(
    app: Flask, session: Session, people: People
) -> None:
    mine, editor, viewer = (
        browser_of(app, session, user) for user in (people.operator, people.editor, people.viewer)
    )
    for name, data in (("Own", {}), ("Shared", {"is_shared": "y"})):
        mine.post("/history/filters?status=failed", data={"name": name, **data})
    own, shared = session.scalars(select(SavedFilter.id).order_by(SavedFilter.id)).all()
    assert (
        viewer.post("/history/filters?status=failed", data={"name": "x", "is_shared": "y"}).status_code == 403
    )
    assert viewer.post(f"/history/filters/{shared}/remove").status_code == 403
    assert editor.post(f"/history/filters/{own}/remove").status_code == 404
    assert editor.post(f"/history/filters/{shared}/remove").status_code == 303
    assert mine.post(f"/history/filters/{own}/remove").status_code == 303
    assert session.scalar(select(func.count(SavedFilter.id))) == 0


def test_what_cannot_be_kept_is_said_beside_the_field(
    app: Flask, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browser_of(app, session, people.viewer)
    empty = browser.post("/history/filters?status=failed", data={"name": " "})
    assert (empty.status_code, "Enter a name." in empty.text) == (422, True)
    bad = browser.post("/history/filters?status=failed", data={"name": "a\x07b"})
    assert bad.status_code == 422
    nothing = browser.post("/history/filters", data={"name": "All"})
    assert (nothing.status_code, "<h1>History</h1>" in nothing.text) == (422, True)
    monkeypatch.setattr(saved_filters, "MOST", 1)
    browser.post("/history/filters?status=failed", data={"name": "One"})
    full = browser.post("/history/filters?status=failed", data={"name": "Two"})
    assert (full.status_code, "Remove one first." in full.text, 'value="Two"' in full.text) == (
        422,
        True,
        True,
    )
    assert session.scalar(select(func.count(SavedFilter.id))) == 1
