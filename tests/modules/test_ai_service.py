"""The account's own AI service: page and API, its key, its test, and who is told what in the audit log."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.outlets.models import AiConnection
from app.business.outlets.services.ai_spending import this_month
from app.infrastructure.messaging import sweep_steps
from app.infrastructure.secret_box import SecretBox
from app.settings import Settings
from tests.infrastructure.chat_protocols import (
    KEY,
    LLAMA_CPP_PYTHON,
    LM_STUDIO,
    OPENAI,
    PLAIN,
    Reply,
    Service,
)
from tests.infrastructure.chat_server import ChatServer, answers, hangs_up, says, serving, vectors
from tests.people import People, browser_of, make_people, program_of

URL = "/api/outlets/ai/"
BODY = {
    "base_url": "https://ai.example/v1", "api_key": KEY, "model": "small", "article_model": "large",
    "price_in": 0.15, "price_out": 0.6, "monthly_limit": 20.0,
}  # fmt: skip
SHOWN = {name: value for name, value in BODY.items() if name != "api_key"}
COLOURS = json.dumps({"first": "red", "second": "blue"})


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def chat(app: Flask) -> Iterator[ChatServer]:
    """A service on this machine, which the operator allows."""
    with serving(OPENAI.says(COLOURS)) as chat:
        app.extensions["settings"] = allowing(app.extensions["settings"], chat)
        yield chat


def allowing(settings: Settings, chat: ChatServer) -> Settings:
    host = chat.url.removeprefix("http://").removesuffix("/v1")
    return settings.model_copy(update={"outbound_allow": (host,)})


def stored(session: Session) -> AiConnection:
    session.expire_all()
    return session.scalars(select(AiConnection)).one()


def key_of(app: Flask, row: AiConnection) -> str:
    return SecretBox.of(app.extensions["settings"]).open(row.api_key_sealed)


@pytest.mark.both_databases
def test_a_connection_is_made_read_changed_and_removed(
    app: Flask, session: Session, api: FlaskClient
) -> None:
    assert api.get(URL).status_code == 404
    made = api.put(URL, json=BODY)
    assert (made.status_code, made.json, made.headers["ETag"]) == (200, SHOWN, '"1"')
    assert api.get(URL).json == SHOWN
    row = stored(session)
    assert (row.price_in, row.price_out, row.monthly_limit) == (150_000, 600_000, 20_000_000)
    assert key_of(app, row) == KEY
    changed = api.put(URL, json={"base_url": "https://ai.example/v2", "model": "other"})
    assert changed.json == dict.fromkeys(SHOWN) | {
        "base_url": "https://ai.example/v2", "model": "other", "article_model": ""
    }  # fmt: skip
    assert key_of(app, stored(session)) == KEY, "left out: kept"
    assert api.put(URL, json=BODY, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(URL, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(URL).status_code == 204
    assert [api.get(URL).status_code, api.delete(URL).status_code] == [404, 404]
    assert session.scalars(select(AiConnection)).all() == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"base_url": "http://ai.example/v1"}, "base_url"), ({"base_url": "https://127.0.0.1/v1"}, "base_url"),
        ({"base_url": "https://169.254.169.254/latest"}, "base_url"), ({"base_url": "https://2130706433/"}, "base_url"),
        ({"base_url": "https://ai.example:8443/"}, "base_url"), ({"base_url": "https://me:pw@ai.example/"}, "base_url"),
        ({"base_url": "localhost:11434"}, "base_url"), ({"base_url": ""}, "base_url"), ({"model": " "}, "model"),
        ({"model": "a\nb"}, "model"), ({"price_in": -1}, "price_in"), ({"price_in": "1"}, "price_in"),
        ({"monthly_limit": 1e9}, "monthly_limit"), ({"price_out": None}, "monthly_limit"), ({"mode": "plain"}, "mode"),
        ({"api_key": 7}, "api_key"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_beside_its_field(
    session: Session, api: FlaskClient, values: dict[str, object], field: str
) -> None:
    answer = api.put(URL, json=BODY | values)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert session.scalars(select(AiConnection)).all() == []


def test_a_stored_key_is_never_sent_to_another_address(
    app: Flask, session: Session, api: FlaskClient
) -> None:
    api.put(URL, json=BODY)
    elsewhere = {"base_url": "https://ai.example.evil/v1", "model": "small"}
    answer = api.put(URL, json=elsewhere)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["api_key"])
    assert stored(session).base_url == BODY["base_url"]
    for given, key in (("another", "another"), (None, ""), ("", "")):
        assert api.put(URL, json=elsewhere | {"api_key": given}).status_code == 200
        assert key_of(app, stored(session)) == key


def test_the_key_is_never_shown_again(
    session: Session, api: FlaskClient, page: FlaskClient, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        seen = [api.put(URL, json=BODY).text, api.get(URL).text, page.get("/ai-service").text]
        seen.append(page.post("/ai-service", data={"api_key": KEY, "model": ""}).text)
        seen.append(page.post("/ai-service/test").text)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action.startswith("ai_connection")))
    seen += [str(entry.data) for entry in entries] + [
        stored(session).api_key_sealed,
        caplog.text,
        repr(stored(session)),
    ]
    assert [text for text in seen if KEY in text] == []


def test_changes_are_in_the_audit_log_with_who_made_them(
    session: Session, api: FlaskClient, people: People
) -> None:
    api.put(URL, json=BODY)
    api.put(URL, json=BODY | {"api_key": "another", "model": "bigger"})
    api.delete(URL)
    query = select(AuditEntry).where(AuditEntry.account_id == people.account.id).order_by(AuditEntry.id)
    made, changed, removed = [
        (entry.action, entry.user_id, entry.data) for entry in session.scalars(query) if "ai_" in entry.action
    ]
    assert made[:2] == ("ai_connection.changed", people.owner.id)
    assert changed[2] == {"model": "bigger", "key": "changed"}
    assert removed == (
        "ai_connection.removed",
        people.owner.id,
        {"base_url": BODY["base_url"], "model": "bigger"},
    )


@pytest.mark.parametrize(
    ("service", "mode"),
    [(OPENAI, "json_schema"), (LM_STUDIO, "json_schema"), (LLAMA_CPP_PYTHON, "json_object"), (PLAIN, "plain")],
    ids=lambda value: getattr(value, "name", value),
)  # fmt: skip
def test_a_test_finds_the_form_that_works_and_keeps_it(
    session: Session, api: FlaskClient, chat: ChatServer, service: Service, mode: str
) -> None:
    chat.replies[:] = [service.says(COLOURS)]
    api.put(URL, json=BODY | {"base_url": chat.url})
    answer = api.post(f"{URL}test/")
    assert (answer.status_code, answer.json["ok"], answer.json["mode"]) == (200, True, mode)
    assert answer.json["message"].startswith("small and large answered in ")
    assert {body["model"] for body in chat.asked} == {"small", "large"}
    assert stored(session).mode == mode
    api.put(URL, json=BODY | {"base_url": chat.url, "price_in": 1})
    assert stored(session).mode == mode
    api.put(URL, json=BODY | {"base_url": chat.url, "price_in": 1, "model": "other"})
    assert (stored(session).mode, stored(session).tested_at) == (None, None)


def test_a_test_counts_against_the_months_limit_and_says_what_it_took(
    session: Session, api: FlaskClient, page: FlaskClient, chat: ChatServer, people: People
) -> None:
    prices = {"base_url": chat.url, "article_model": "", "price_in": 1_000.0, "price_out": 1_000.0}
    api.put(URL, json=BODY | prices | {"monthly_limit": 6.05})
    found = api.post(f"{URL}test/").json
    assert found["ok"]
    assert found["message"].endswith("The test took 46 tokens, 0.05 in money.")
    spend = this_month(session, people.account, datetime.now(UTC))
    assert spend
    assert (spend.spent, spend.held, spend.tokens_in, spend.tokens_out) == (46_000, 0, 12, 34)
    assert "46" in page.get("/credits").text
    asked = len(chat.asked)
    api.put(URL, json=BODY | prices | {"monthly_limit": 6.04})
    refused = api.post(f"{URL}test/").json
    assert (refused["ok"], len(chat.asked)) == (False, asked)
    assert (
        "The monthly limit of 6.04 for the AI service does not allow this: 0.05 spent" in refused["message"]
    )


@pytest.mark.parametrize(("reply", "counts"), [(answers(401), False), (hangs_up, True), (says("red"), True)])
def test_a_test_that_fails_counts_what_the_service_may_have_done(
    session: Session, api: FlaskClient, chat: ChatServer, people: People, reply: Reply, counts: bool
) -> None:
    chat.replies[:] = [reply]
    api.put(URL, json=BODY | {"base_url": chat.url})
    assert not api.post(f"{URL}test/").json["ok"]
    spend = this_month(session, people.account, datetime.now(UTC))
    assert spend
    assert (spend.held, spend.spent > 0) == (0, counts)


def test_a_model_for_vectors_is_kept_shown_and_tested(
    session: Session, api: FlaskClient, chat: ChatServer
) -> None:
    body = BODY | {"base_url": chat.url, "article_model": "", "embedding_model": "vectors"}
    assert api.put(URL, json=body).json["embedding_model"] == "vectors"
    chat.replies[:] = [says(COLOURS), vectors(usage=True)]
    assert api.post(f"{URL}test/").json["ok"]
    assert chat.asked[-1]["input"] == ["red", "blue"]
    chat.replies[:] = [says(COLOURS), answers(404)]
    assert (
        api.post(f"{URL}test/")
        .json["message"]
        .startswith("vectors: The AI service does not know this address")
    )


def test_a_form_that_is_accepted_and_not_kept_to_is_not_kept(
    session: Session, api: FlaskClient, chat: ChatServer
) -> None:
    chat.replies[:] = [says("red, blue and green"), says("red and blue"), says(COLOURS)]
    api.put(URL, json=BODY | {"base_url": chat.url, "article_model": ""})
    assert api.post(f"{URL}test/").json["mode"] == "json_object"
    assert stored(session).mode == "json_object"


@pytest.mark.parametrize(
    ("reply", "words"),
    [(answers(401), "does not accept our key. An owner must check it"), (answers(404), "page AI service"),
     (answers(302, location="http://169.254.169.254/"), "redirects to another address"), (hangs_up, "broke off"),
     (answers(400), "did not accept"), (says("red"), "cannot be used")],
)  # fmt: skip
def test_a_test_that_fails_says_why(
    session: Session, api: FlaskClient, chat: ChatServer, reply: object, words: str
) -> None:
    chat.replies[:] = [reply]  # type: ignore[list-item]
    api.put(URL, json=BODY | {"base_url": chat.url})
    found = api.post(f"{URL}test/").json
    assert (found["ok"], found["mode"]) == (False, None)
    assert words in found["message"]
    assert found["message"].endswith(".")
    assert stored(session).mode is None


def test_an_address_that_is_no_longer_allowed_is_not_reached(
    app: Flask, api: FlaskClient, chat: ChatServer
) -> None:
    api.put(URL, json=BODY | {"base_url": chat.url})
    app.extensions["settings"] = app.extensions["settings"].model_copy(update={"outbound_allow": ()})
    found = api.post(f"{URL}test/").json
    assert (found["ok"], chat.asked) == (False, [])
    assert "OUTBOUND_ALLOW" in found["message"]


def test_nothing_to_test_is_a_404_and_a_sentence(api: FlaskClient, page: FlaskClient) -> None:
    assert api.post(f"{URL}test/").status_code == 404
    assert "Save one first" in page.post("/ai-service/test", follow_redirects=True).text


def test_a_key_of_another_installation_has_to_be_entered_again(
    session: Session, api: FlaskClient, chat: ChatServer
) -> None:
    api.put(URL, json=BODY | {"base_url": chat.url})
    stored(session).api_key_sealed = SecretBox("x" * 40).seal(KEY)
    session.commit()
    assert "Enter it again" in api.post(f"{URL}test/").json["message"]
    assert chat.asked == []


def test_the_page_connects_tests_and_removes(
    app: Flask, session: Session, page: FlaskClient, chat: ChatServer
) -> None:
    assert "Connect your own" in page.get("/ai-service").text
    form = {"base_url": chat.url, "api_key": KEY, "model": "small", "price_in": "0.15", "price_out": "0,6"}
    refused = page.post("/ai-service", data=form)
    assert refused.status_code == 422
    assert 'value="0,6"' in refused.text
    assert KEY not in refused.text
    assert page.post("/ai-service", data=form | {"price_out": "0.6"}).status_code == 303
    shown = page.get("/ai-service").text
    assert "Stored, never shown" in shown
    assert "Not passed since" in shown
    tested = page.post("/ai-service/test").text
    assert "The service answers" in tested
    assert "JSON schema" in tested
    assert page.post("/ai-service", data={"base_url": chat.url, "model": "small"}).status_code == 303
    assert key_of(app, stored(session)) == KEY
    page.post("/ai-service", data={"base_url": chat.url, "model": "small", "no_key": "y"})
    assert stored(session).api_key_sealed == ""
    page.post("/ai-service/remove")
    assert "Connect your own" in page.get("/ai-service").text


def test_what_the_page_refuses_stands_beside_its_field(session: Session, page: FlaskClient) -> None:
    form = {"base_url": "https://10.0.0.1/v1", "model": "small", "monthly_limit": "5"}
    refused = page.post("/ai-service", data=form)
    assert refused.status_code == 422
    assert "private or reserved network" in refused.text
    assert 'value="https://10.0.0.1/v1"' in refused.text
    limited = page.post("/ai-service", data=form | {"base_url": "https://ai.example/"})
    assert "Enter both prices too" in limited.text
    assert session.scalars(select(AiConnection)).all() == []


def test_secrets_are_sealed_anew_while_the_key_is_replaced(
    app: Flask, session: Session, api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(URL, json=BODY)
    old = app.extensions["settings"].signing_key
    settings = Settings(secret_key="n" * 40, secret_key_old=old)
    monkeypatch.setattr(sweep_steps, "load_settings", lambda: settings)
    sweep_steps._reseal_secrets(sweep_steps.utc_now())
    anew = stored(session).api_key_sealed
    assert SecretBox("n" * 40).open(anew) == KEY
    sweep_steps._reseal_secrets(sweep_steps.utc_now())
    assert stored(session).api_key_sealed == anew
