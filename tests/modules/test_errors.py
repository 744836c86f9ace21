"""Refusals and faults, as pages, messages and JSON problems."""

import logging
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError, OperationalError

from app import ROOT
from app.business.errors import Conflict, Invalid, NotFound
from app.infrastructure import database
from app.modules import access, errors, web
from app.settings import Settings

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
FAULTS = {
    "invalid": Invalid({"schedule.cron": ["Cron needs five fields."]}),
    "conflict": Conflict("Only a failed run can be retried."),
    "missing": NotFound(),
    "foreign": NotFound(),
    "twice": IntegrityError("INSERT", {}, Exception("unique")),
    "away": OperationalError("SELECT", {}, Exception("locked")),
    "broken": ZeroDivisionError("secret detail"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """An application whose views fail in the way that their address names."""
    app = Flask("faults", root_path=str(ROOT))
    app.config["WTF_CSRF_METHODS"] = set()
    app.secret_key = "only for this test, and long enough"
    database.init_app(app, f"sqlite:///{tmp_path_factory.mktemp('faults')}/none.sqlite3", {})
    settings = Settings()
    web.init_web(app, settings)
    access.init_access(app, settings)
    errors.init_errors(app)

    @access.allow.anyone
    def fail(name: str) -> str:
        raise FAULTS[name]

    app.add_url_rule("/<name>", "page", fail, methods=["GET", "POST"])
    app.add_url_rule("/api/<name>", "api", fail)
    return app.test_client()


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("invalid", 422, "Cron needs five fields."),
        ("conflict", 409, "Only a failed run can be retried."),
        ("missing", 404, "Nothing here"),
        ("twice", 409, "at the same moment. Nothing was saved"),
        ("away", 503, "The console is not ready"),
        ("broken", 500, "Something broke on our side"),
    ],
)
def test_a_page_says_what_happened(client: FlaskClient, name: str, code: int, sentence: str) -> None:
    answer = client.get(f"/{name}")
    assert answer.status_code == code
    assert sentence in answer.text


def test_a_refused_form_leads_back_to_its_page_and_to_no_foreign_one(client: FlaskClient) -> None:
    own = {"Referer": "http://localhost/keywords?status=new&site=2"}
    assert 'href="/keywords?status=new&amp;site=2"' in client.post("/conflict", headers=own).text
    for headers in ({}, {"Referer": "https://elsewhere.example/keywords"}):
        assert "Back to the page" not in client.post("/conflict", headers=headers).text
    assert "Back to the page" not in client.get("/missing", headers=own).text


def test_a_page_that_may_open_later_is_offered_again(client: FlaskClient) -> None:
    for name in ("away", "broken"):
        assert f'href="/{name}?site=2"' in client.get(f"/{name}?site=2").text
        assert "Try again</span>" not in client.post(f"/{name}").text
    for name in ("conflict", "missing", "invalid"):
        assert "Try again</span>" not in client.get(f"/{name}").text


@pytest.mark.parametrize("code", [409, 422, 500])
def test_htmx_gets_a_message_and_the_page_stays(client: FlaskClient, code: int) -> None:
    name = {409: "conflict", 422: "invalid", 500: "broken"}[code]
    answer = client.get(f"/{name}", headers=PARTIAL)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (code, "none")
    assert 'id="toasts"' in answer.text
    assert "<html" not in answer.text


def test_a_program_gets_a_problem_with_errors_by_field(client: FlaskClient) -> None:
    answer = client.get("/api/invalid")
    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "type": "/api/docs#invalid",
        "code": "invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "Cron needs five fields.",
        "errors": {"schedule.cron": ["Cron needs five fields."]},
    }


def test_foreign_missing_and_unknown_answer_with_equal_bytes(client: FlaskClient) -> None:
    answers = {client.get(f"/api/{path}").data for path in ("missing", "foreign", "no/such/address")}
    assert len(answers) == 1


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/api/missing")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.json
    assert answer.json["status"] == 405


def test_the_number_of_a_fault_leads_to_its_log_entry(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        text = client.get("/broken").text
    found = re.search(r"number in the log: ([0-9a-f]{8})", text)
    assert found
    assert found.group(1) in caplog.text
    assert "secret detail" in caplog.text
    assert "secret detail" not in text
