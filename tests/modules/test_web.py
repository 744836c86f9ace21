"""Shared by all pages: htmx requests, headers, CSRF, messages, the menu."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, flash, g, render_template, url_for
from flask.testing import FlaskClient

from app import ROOT
from app.business.accounts.models import Role
from app.modules.web import asset, htmx, init_web, page_or_partial, see_other
from app.settings import Settings

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#runs", "HX-Source": "a#next"}


class Person:
    """Stands in for the signed-in person."""

    user = SimpleNamespace(name="Mira", email="mira@example.com", timezone=None)
    account = SimpleNamespace(
        name="Harbour", timezone="Europe/Berlin", credits_available=8412, paused_at=None
    )

    sees_all = True

    def __init__(self, role: Role) -> None:
        self.role = role

    def can(self, role: str) -> bool:
        return self.role.allows(Role(role))

    def may_open(self, _endpoint: str) -> bool:
        return True


@pytest.fixture
def make_client() -> Callable[..., FlaskClient]:
    def make(person: Person | None = None, **settings: Any) -> FlaskClient:
        app = Flask("pages", root_path=str(ROOT))
        app.secret_key = "only for this test, and long enough"
        init_web(app, Settings(**settings))
        app.before_request(lambda: setattr(g, "person", person) if person else None)
        app.add_url_rule("/rules", "automation.rules", lambda: render_template("layouts/console.html"))
        app.add_url_rule("/rules/7", "automation.rule", lambda: render_template("layouts/console.html"))
        app.add_url_rule("/moved", "system.moved", lambda: "")
        app.add_url_rule("/header", "system.header", lambda: "")
        app.jinja_env.globals.update(live_mark=lambda: "mark", live_now=lambda: "now")
        app.add_url_rule("/team", "accounts.team", lambda: "team")
        app.add_url_rule("/part", "part", _part, methods=["GET", "POST"])
        app.add_url_rule("/move", "move", lambda: see_other("/rules"))
        return app.test_client()

    return make


def _part() -> str:
    flash("It runs next at 09:07.", "success")
    return page_or_partial("layouts/bare.html", "layouts/pause_all.html")


def test_htmx_gets_the_fragment_and_the_waiting_messages(make_client: Callable[..., FlaskClient]) -> None:
    text = make_client(Person(Role.VIEWER)).get("/part", headers=PARTIAL).text
    assert "<html" not in text
    assert 'hx-swap-oob="true"' in text
    assert "It runs next at 09:07." in text


@pytest.mark.parametrize(
    "headers", [{}, PARTIAL | {"HX-Request-Type": "full"}, PARTIAL | {"HX-Boosted": "true"}]
)
def test_a_request_for_a_whole_page_gets_it(make_client: Callable[..., FlaskClient], headers: Any) -> None:
    assert "<html" in make_client(Person(Role.VIEWER)).get("/part", headers=headers).text


def test_elements_are_named_without_their_tag(make_client: Callable[..., FlaskClient]) -> None:
    with make_client().application.test_request_context("/part", headers=PARTIAL):
        assert (htmx().target_id, htmx().source_id) == ("runs", "next")


def test_after_a_change_the_browser_is_redirected_with_and_without_htmx(
    make_client: Callable[..., FlaskClient],
) -> None:
    client = make_client()
    plain, swapped = client.get("/move"), client.get("/move", headers=PARTIAL)
    assert (plain.status_code, plain.location) == (303, "/rules")
    assert (swapped.status_code, swapped.headers["HX-Redirect"]) == (204, "/rules")


def test_pages_carry_the_security_headers(make_client: Callable[..., FlaskClient]) -> None:
    headers = make_client().get("/part").headers
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "HX-Request" in headers["Vary"]
    assert "Strict-Transport-Security" not in headers


def test_https_brings_secure_cookies_and_hsts(make_client: Callable[..., FlaskClient]) -> None:
    answer = make_client(public_url="https://console.example").get("/part")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Set-Cookie"].startswith("__Host-console=")
    assert "Secure; HttpOnly; Path=/; SameSite=Lax" in answer.headers["Set-Cookie"]


def test_pages_of_signed_in_people_are_not_cached(make_client: Callable[..., FlaskClient]) -> None:
    assert make_client(Person(Role.VIEWER)).get("/part").headers["Cache-Control"] == "no-store"
    assert "no-store" not in make_client().get("/part").headers.get("Cache-Control", "")


def test_a_post_without_its_token_is_refused(make_client: Callable[..., FlaskClient]) -> None:
    assert make_client().post("/part").status_code == 400


def test_the_token_of_the_page_is_taken_from_the_header(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client()
    token = client.get("/part").text.partition('"X-CSRFToken": "')[2].partition('"')[0]
    assert client.post("/part", headers={"X-CSRFToken": token}).status_code == 200


def test_the_menu_leaves_out_what_a_person_may_not_open(make_client: Callable[..., FlaskClient]) -> None:
    assert "/team" in make_client(Person(Role.OWNER)).get("/rules").text
    assert "/team" not in make_client(Person(Role.EDITOR)).get("/rules").text


def test_the_page_of_one_rule_belongs_to_rules(make_client: Callable[..., FlaskClient]) -> None:
    assert 'href="/rules" aria-current="page"' in make_client(Person(Role.VIEWER)).get("/rules/7").text


def test_the_balance_and_the_zone_stand_on_every_page(make_client: Callable[..., FlaskClient]) -> None:
    text = make_client(Person(Role.VIEWER)).get("/rules").text
    assert "8,412" in text
    assert "Times in Europe/Berlin" in text


def test_a_static_file_may_be_cached_for_a_year(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client()
    with client.application.test_request_context():
        address = asset("js/console.js")
        assert address.startswith(url_for("static", filename="js/console.js") + "?v=")
    with client.get(address) as answer:
        assert "max-age=31536000" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("code", [400, 403, 404, 405, 409, 412, 413, 422, 429, 500, 503, 418])
def test_every_error_page_says_what_to_do(make_client: Callable[..., FlaskClient], code: int) -> None:
    with make_client().application.test_request_context():
        text = render_template("pages/errors/error.html", code=code, message="We take 5 MB.")
    assert f"Error {code}" in text
    assert "We take 5 MB." in text
    assert "To the dashboard" in text
