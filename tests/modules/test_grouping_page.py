"""The page on which a site chooses how its keywords are grouped, after a preview that moves nothing."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.outlets.models import AiSpend
from app.business.planner.models import Cluster, Keyword, Site
from tests.factories import make_ai_connection, make_keyword, make_sector, make_site
from tests.infrastructure.chat_server import ChatServer, answers, serving, vectors
from tests.modules.test_ai_service import allowing
from tests.people import People, browser_of, make_people, program_of


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the page's preview form, and its choice as it is."""
    hidden = re.findall(r'<input type="hidden" name="(request_key|texts)" value="([^"]*)">', page)
    return {"grouping": "meaning", "tightness": "usual"} | dict(hidden)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    return make_site(session, people.account)


@pytest.fixture
def browser(app: Flask, session: Session, people: People, site: Site) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def allow(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[ChatServer], None]:
    """The operator allows a service on this machine."""

    def allow(chat: ChatServer) -> None:
        monkeypatch.setitem(app.extensions, "settings", allowing(app.extensions["settings"], chat))

    return allow


def test_a_choice_is_tried_and_then_made(session: Session, browser: FlaskClient, site: Site) -> None:
    sector = make_sector(session, site, name="Shoes")
    for text in ("oak table", "garden hose", "wool socks men", "mens wool socks"):
        make_keyword(session, sector, text=text, parent_keyword="" if "socks" in text else "home")
    session.commit()
    address = f"/sites/{site.id}/grouping"
    assert "Use this from now on" not in browser.get(address).text
    shown = browser.post(f"{address}/preview", data={"grouping": "parent_keyword", "tightness": "tight"}).text
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


def test_a_preview_is_made_with_the_vectors_of_the_service_and_counted(
    session: Session, people: People, browser: FlaskClient, site: Site, allow: Callable[[ChatServer], None]
) -> None:
    sector = make_sector(session, site)
    for text in ("apple", "anchor", "avenue", "boat", "bread", "brick"):
        make_keyword(session, sector, text=text)
    with serving(vectors()) as chat:
        allow(chat)
        make_ai_connection(
            session,
            people.account,
            base_url=chat.url,
            embedding_model="letters",
            price_in=2_000_000,
            price_out=0,
        )
        session.commit()
        page = browser.get(f"/sites/{site.id}/grouping").text
        assert "sends 6 keywords of “" in page
        assert chat.asked == []
        shown = browser.post(f"/sites/{site.id}/grouping/preview", data=fields_of(page))
        again = browser.post(f"/sites/{site.id}/grouping/preview", data=fields_of(page))
    assert (shown.status_code, again.status_code) == (200, 303)
    assert "Made with the vectors of your AI service (letters)" in shown.text
    assert "2 clusters" in shown.text
    assert [sorted(body["input"]) for body in chat.asked] == [
        ["anchor", "apple", "avenue", "boat", "bread", "brick"]
    ]
    spent = session.scalars(select(AiSpend)).one()
    assert (spent.held, spent.spent, spent.tokens_in) == (0, 12, 6)


@pytest.mark.parametrize("named", ["", "5"])
def test_no_text_is_sent_whose_number_the_page_has_not_named(
    session: Session,
    people: People,
    browser: FlaskClient,
    site: Site,
    allow: Callable[[ChatServer], None],
    named: str,
) -> None:
    sector = make_sector(session, site)
    for text in ("apple", "anchor", "avenue", "boat", "bread", "brick"):
        make_keyword(session, sector, text=text)
    with serving(vectors()) as chat:
        allow(chat)
        make_ai_connection(session, people.account, base_url=chat.url, embedding_model="letters")
        session.commit()
        data = {"grouping": "meaning", "tightness": "usual", "texts": named}
        shown = browser.post(f"/sites/{site.id}/grouping/preview", data=data)
    assert shown.status_code == 409
    assert "Nothing was sent" in shown.text
    assert "sends 6 keywords" in shown.text
    assert chat.asked == []


def test_a_preview_whose_service_is_away_says_so_and_uses_no_other_vectors(
    session: Session, people: People, browser: FlaskClient, site: Site, allow: Callable[[ChatServer], None]
) -> None:
    make_keyword(session, make_sector(session, site))
    with serving(answers(500)) as chat:
        allow(chat)
        make_ai_connection(session, people.account, base_url=chat.url, embedding_model="letters")
        session.commit()
        page = browser.get(f"/sites/{site.id}/grouping").text
        shown = browser.post(f"/sites/{site.id}/grouping/preview", data=fields_of(page))
    assert shown.status_code == 503
    assert "The AI service has trouble at the moment." in shown.text
    assert "Use this from now on" not in shown.text
    assert [spent.held for spent in session.scalars(select(AiSpend))] in ([], [0])


def test_what_is_no_choice_is_refused_and_changes_nothing(
    session: Session, browser: FlaskClient, site: Site
) -> None:
    session.commit()
    address = f"/sites/{site.id}/grouping"
    assert browser.post(f"{address}/preview", data={"grouping": "stars"}).status_code == 422
    assert browser.post(address, data={"grouping": "meaning", "tightness": "very"}).status_code == 422
    data = {"grouping": "meaning", "tightness": "usual"}
    assert "Import some first" in browser.post(f"{address}/preview", data=data).text
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
