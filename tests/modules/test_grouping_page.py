"""The page on which a site chooses how its keywords are grouped, after a preview that moves nothing."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Keyword, Site
from tests.factories import make_keyword, make_sector, make_site
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    return make_site(session, people.account)


@pytest.fixture
def browser(app: Flask, session: Session, people: People, site: Site) -> FlaskClient:
    return browser_of(app, session, people.owner)


def test_a_choice_is_tried_and_then_made(session: Session, browser: FlaskClient, site: Site) -> None:
    sector = make_sector(session, site, name="Shoes")
    for text in ("oak table", "garden hose", "wool socks men", "mens wool socks"):
        make_keyword(session, sector, text=text, parent_keyword="" if "socks" in text else "home")
    session.commit()
    address = f"/sites/{site.id}/grouping"
    assert "Use this from now on" not in browser.get(address).text
    shown = browser.get(f"{address}?grouping=parent_keyword&tightness=tight").text
    assert "The newest 4 keywords of “Shoes”" in shown
    assert "garden hose" in shown
    assert "2 clusters" in shown
    session.expire_all()
    assert (site.grouping, site.tightness) == ("meaning", "usual")
    assert session.scalars(select(Cluster)).all() == []
    assert set(session.scalars(select(Keyword.status))) == {"new"}
    chosen = browser.post(address, data={"grouping": "parent_keyword", "tightness": "tight"})
    assert (chosen.status_code, chosen.location) == (303, f"/sites/{site.id}")
    session.expire_all()
    assert (site.grouping, site.tightness) == ("parent_keyword", "tight")
    assert "By parent keyword, then by meaning, tighter" in browser.get(f"/sites/{site.id}").text


def test_what_is_no_choice_is_refused_and_changes_nothing(
    session: Session, browser: FlaskClient, site: Site
) -> None:
    session.commit()
    address = f"/sites/{site.id}/grouping"
    assert browser.get(f"{address}?grouping=stars").status_code == 422
    assert browser.post(address, data={"grouping": "meaning", "tightness": "very"}).status_code == 422
    assert "Import some first" in browser.get(f"{address}?grouping=meaning").text
    session.expire_all()
    assert (site.grouping, site.tightness) == ("meaning", "usual")


def test_the_api_reads_and_changes_the_choice(
    app: Flask, session: Session, people: People, site: Site
) -> None:
    api, address = program_of(app, session, people.owner), f"/api/planner/sites/{site.id}/"
    assert api.get(address).json["grouping"] == "meaning"
    changed = api.patch(address, json={"grouping": "parent_keyword", "tightness": "loose"})
    assert (changed.status_code, changed.json["tightness"]) == (200, "loose")
    assert list(api.patch(address, json={"tightness": "x"}).json["errors"]) == ["tightness"]
