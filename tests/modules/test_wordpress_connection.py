"""The WordPress of a site: page and API, its password, and the test that says in words what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.outlets.services.wordpress_connections import site_address
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.planner.models import Site
from app.infrastructure.messaging import sweep_steps
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress import faults, probe
from app.settings import Settings
from tests.factories import make_site
from tests.infrastructure.wordpress_stand_in import PASSWORD, USER, WordPress, serving
from tests.people import People, browser_of, make_people, program_of

SHOWN = {
    "url": "https://blog.example", "username": "press", "default_status": "publish",
    "categories": ["Garden", "Tools"], "author": "Ada", "max_per_day": 2,
}  # fmt: skip
BODY = SHOWN | {"application_password": PASSWORD}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def site(session: Session, people: People) -> Site:
    site = make_site(session, people.account)
    session.commit()
    return site


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def wordpress(app: Flask) -> Iterator[WordPress]:
    """A WordPress on this machine, which the operator allows."""
    with serving() as wordpress:
        settings: Settings = app.extensions["settings"]
        app.extensions["settings"] = settings.model_copy(update={"outbound_allow": (wordpress.host,)})
        yield wordpress


def address(site: Site, more: str = "") -> str:
    return f"/api/planner/sites/{site.id}/wordpress/{more}"


def stored(session: Session) -> WordPressConnection:
    session.expire_all()
    return session.scalars(select(WordPressConnection)).one()


def password_of(app: Flask, row: WordPressConnection) -> str:
    return SecretBox.of(app.extensions["settings"]).open(row.password_sealed)


def connect(api: FlaskClient, site: Site, wordpress: WordPress, **values: Any) -> None:
    body = {"url": wordpress.url, "username": USER, "application_password": PASSWORD} | values
    made = api.put(address(site), json=body)
    assert made.status_code == 200, made.json


@pytest.mark.both_databases
def test_a_connection_is_made_read_changed_and_removed(
    app: Flask, session: Session, api: FlaskClient, site: Site
) -> None:
    assert api.get(address(site)).status_code == 404
    made = api.put(address(site), json=BODY)
    assert (made.status_code, made.json, made.headers["ETag"]) == (200, SHOWN, '"1"')
    assert api.get(address(site)).json == SHOWN
    assert password_of(app, stored(session)) == PASSWORD
    changed = api.put(address(site), json={"url": "https://blog.example/de", "username": "other"})
    assert changed.json == {
        "url": "https://blog.example/de", "username": "other", "default_status": "draft", "categories": [],
        "author": "", "max_per_day": None,
    }  # fmt: skip
    assert password_of(app, stored(session)) == PASSWORD, "left out: kept"
    assert api.put(address(site), json=BODY, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(address(site)).status_code == 204
    assert [api.get(address(site)).status_code, api.delete(address(site)).status_code] == [404, 404]
    query = (
        select(AuditEntry.action).where(AuditEntry.action.startswith("wordpress.")).order_by(AuditEntry.id)
    )
    assert session.scalars(query).all() == ["wordpress.connected"] * 2 + ["wordpress.disconnected"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "http://blog.example"}, "url"), ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://blog.example:8443/"}, "url"), ({"url": "blog.example"}, "url"), ({"url": ""}, "url"),
        ({"username": " "}, "username"), ({"username": "a\nb"}, "username"),
        ({"application_password": ""}, "application_password"),
        ({"application_password": 7}, "application_password"), ({"default_status": "future"}, "default_status"),
        ({"categories": [" "]}, "categories"), ({"categories": ["a\nb"]}, "categories"),
        ({"max_per_day": 0}, "max_per_day"),
        ({"password": "x"}, "password"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_beside_its_field(
    session: Session, api: FlaskClient, site: Site, values: dict[str, object], field: str
) -> None:
    answer = api.put(address(site), json=BODY | values)
    assert answer.status_code == 422
    assert [name.partition(".")[0] for name in answer.json["errors"]] == [field]
    assert session.scalars(select(WordPressConnection)).all() == []


def test_a_stored_password_is_never_sent_to_another_address_nor_shown(
    app: Flask, session: Session, api: FlaskClient, site: Site, people: People
) -> None:
    api.put(address(site), json=BODY)
    elsewhere = SHOWN | {"url": "https://blog.example.evil"}
    answer = api.put(address(site), json=elsewhere)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["application_password"])
    page = browser_of(app, session, people.owner)
    seen = [api.get(address(site)).text, page.get(f"/sites/{site.id}/wordpress").text, repr(stored(session))]
    seen.append(page.post(f"/sites/{site.id}/wordpress", data={"application_password": PASSWORD}).text)
    seen += [str(entry.data) for entry in session.scalars(select(AuditEntry))]
    assert [text for text in seen if PASSWORD in text] == []


def test_the_page_connects_tests_and_disconnects(
    app: Flask, session: Session, people: People, site: Site, wordpress: WordPress
) -> None:
    page, at = browser_of(app, session, people.owner), f"/sites/{site.id}/wordpress"
    assert "Connect a WordPress" in page.get(at).text
    form = {"url": wordpress.url, "username": USER, "application_password": PASSWORD,
            "default_status": "draft", "categories": "Tools, Oak & Ash,", "max_per_day": ""}  # fmt: skip
    refused = page.post(at, data=form | {"username": ""})
    assert (refused.status_code, wordpress.url in refused.text) == (422, True)
    assert page.post(at, data=form).status_code == 303
    assert stored(session).categories == ["Tools", "Oak & Ash"]
    tested = page.post(f"{at}/test").text
    for words in ("The connection works", "Press Office may publish there", "The Garden (WordPress 6.1.9)"):
        assert words in tested, words
    assert stored(session).tested_at is not None
    assert "Connected" in page.get(f"/sites/{site.id}").text
    editor = browser_of(app, session, people.editor).get(at).text
    assert ("Test" in editor, "Disconnect" in editor, "application_password" in editor) == (
        True,
        False,
        False,
    )
    assert page.post(f"{at}/remove").status_code == 303
    assert session.scalars(select(WordPressConnection)).all() == []


def test_the_test_names_the_site(api: FlaskClient, site: Site, wordpress: WordPress) -> None:
    connect(api, site, wordpress)
    assert api.post(address(site, "test/")).json == {
        "ok": True, "message": "WordPress answers, and Press Office may publish there.",
        "name": "The Garden", "version": "6.1.9",
    }  # fmt: skip
    assert {call.split()[0] for call in wordpress.calls} == {"GET"}, "it changes nothing"


HTML = "<html>Hello from another shop system</html>"
BARE_INDEX = {"name": "x", "namespaces": ["wp/v2"], "authentication": []}
NOT_LOGGED_IN = (401, {"code": "rest_not_logged_in"})


@pytest.mark.parametrize(
    ("values", "how", "sentence"),
    [
        ({"application_password": "wrong"}, {}, faults.NOT_SIGNED_IN),
        ({"username": "nobody"}, {}, faults.NOT_SIGNED_IN),
        ({}, {"refusals": [(401, {"code": "incorrect_password"})]}, faults.NOT_ACCEPTED),
        ({}, {"role": "subscriber"}, faults.ROLE_TOO_LOW),
        ({"default_status": "publish"}, {"role": "contributor"}, "may write drafts, but not publish"),
        ({"author": "Ada"}, {"role": "author"}, "another author's name"),
        ({}, {"refusals": [(404, HTML), (200, HTML)]}, faults.NOT_WORDPRESS),
        ({}, {"refusals": [(200, HTML), (200, HTML)]}, faults.NOT_WORDPRESS),
        ({}, {"refusals": [(404, HTML)]}, faults.NO_REST),
        ({}, {"refusals": [(403, HTML)]}, faults.BLOCKED),
        ({}, {"refusals": [(401, {"code": "rest_login_required"})]}, faults.NOT_SIGNED_IN),
        ({}, {"refusals": [(403, {"code": "rest_disabled"})]}, faults.BLOCKED),
        ({}, {"refusals": [(200, BARE_INDEX), NOT_LOGGED_IN]}, probe.NO_PASSWORDS),
        ({}, {"refusals": [(503, HTML)]}, "has trouble at the moment"),
        ({}, {"refusals": [(429, HTML)]}, "slow down"),
    ],
)  # fmt: skip
def test_a_failing_test_says_in_words_what_is_wrong(
    api: FlaskClient, site: Site, wordpress: WordPress, values: Any, how: Any, sentence: str
) -> None:
    connect(api, site, wordpress, **values)
    for name, value in how.items():
        setattr(wordpress, name, value)
    tested = api.post(address(site, "test/")).json
    assert (tested["ok"], sentence in tested["message"]) == (False, True), tested


def test_an_answer_without_end_is_not_read(api: FlaskClient, site: Site, wordpress: WordPress) -> None:
    connect(api, site, wordpress)
    wordpress.refusals = [(200, "x" * 1_100_000)]
    assert "too large" in api.post(address(site, "test/")).json["message"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("https://Blog.example/", "https://blog.example"),
        ("https://blog.example/de/wp-admin/index.php", "https://blog.example/de"),
        ("https://blog.example/wp-login.php?x=1", "https://blog.example"),
        ("https://blog.example/wp-json/wp/v2/", "https://blog.example"),
        ("https://blog.example/wp-jsonish", "https://blog.example/wp-jsonish"),
    ],
)
def test_the_address_is_that_of_the_front_page(typed: str, meant: str) -> None:
    assert site_address(typed) == meant


def test_passwords_are_sealed_anew_when_the_secret_is_replaced(
    app: Flask, session: Session, api: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(address(site), json=BODY)
    old: Settings = app.extensions["settings"]
    changed = {"secret_key": "n" * 40, "secret_key_old": old.signing_key}
    new = Settings.model_validate(old.model_dump(exclude_unset=True) | changed)
    monkeypatch.setattr(sweep_steps, "load_settings", lambda: new)
    sweep_steps._reseal_secrets(stored(session).created_at)
    assert SecretBox("n" * 40).open(stored(session).password_sealed) == PASSWORD
