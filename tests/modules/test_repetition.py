"""An Idempotency-Key makes a request act once: for every call that acts, after faults, and for two at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import ApiRequest
from app.business.planner.models import Keyword
from app.modules.api import repetition
from app.modules.api.declaration import Call, declared_calls
from app.modules.openapi.examples import BODIES
from tests.factories import make_sector, make_site
from tests.fuzz.world import fingerprint
from tests.modules.permissions import address, make_rows
from tests.modules.test_openapi import NAMED
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases
KEYWORDS = "/api/planner/keywords/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def site(session: Session, people: People) -> int:
    site = make_site(session, people.account)
    make_sector(session, site)
    session.commit()
    return site.id


def keywords(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count(Keyword.id))) or 0


def test_every_call_that_acts_acts_once(
    app: Flask, session: Session, people: People, api: FlaskClient
) -> None:
    ids = make_rows(app, session, people)
    acted = []
    for entry in app.url_map.iter_rules():
        call = declared_calls(app).get(entry.endpoint)
        if (
            call is None
            or not call.is_idempotent
            or call.repeated == "same row"
            or call.name in ("test_ai", "test_webhook")
        ):
            continue
        sent = _sent(call, ids) | {
            "path": address(entry.rule, ids),
            "headers": {"Idempotency-Key": call.name},
        }
        first = api.post(**sent)
        if first.status_code < 300:
            acted.append(call.name)
            before = fingerprint(session)
            again = api.post(**_sent(call, ids), path=sent["path"], headers=sent["headers"])
            assert (again.status_code, again.data) == (first.status_code, first.data), call.name
            assert again.headers.get("ETag") == first.headers.get("ETag")
            assert fingerprint(session) == before, call.name
    assert {"create_rule", "create_keyword", "copy_rule", "retry_run", "create_webhook", "back_test"} <= {
        *acted
    }


def _sent(call: Call, ids: dict[str, str]) -> dict[str, Any]:
    body = BODIES.get(call.name, {})
    return {"json": {key: int(ids[NAMED[key]]) if key in NAMED else value for key, value in body.items()}}


def test_a_key_with_another_request_is_refused(api: FlaskClient, session: Session, site: int) -> None:
    headers = {"Idempotency-Key": "one"}
    assert api.post(KEYWORDS, json={"site": site, "text": "sheds"}, headers=headers).status_code == 201
    other = api.post(KEYWORDS, json={"site": site, "text": "barns"}, headers=headers)
    assert (other.status_code, [*other.json["errors"]]) == (422, ["Idempotency-Key"])
    elsewhere = api.post("/api/planner/sectors/", json={"site": site, "name": "Barns"}, headers=headers)
    assert elsewhere.status_code == 422
    assert keywords(session) == 1
    for wrong in ("", "x" * 256):
        answer = api.post(KEYWORDS, json={"site": site, "text": "x"}, headers={"Idempotency-Key": wrong})
        assert answer.status_code == 400


def test_a_refused_request_leaves_its_key_free(api: FlaskClient, session: Session, site: int) -> None:
    headers = {"Idempotency-Key": "one"}
    assert api.post(KEYWORDS, json={"site": site, "text": ""}, headers=headers).status_code == 422
    assert api.post(KEYWORDS, json={"site": site, "text": "sheds"}, headers=headers).status_code == 201
    assert keywords(session) == 1


def test_keys_of_other_people_are_their_own(
    app: Flask, api: FlaskClient, session: Session, people: People, site: int
) -> None:
    headers = {"Idempotency-Key": "one"}
    mine = api.post(KEYWORDS, json={"site": site, "text": "sheds"}, headers=headers)
    theirs = program_of(app, session, people.editor).post(
        KEYWORDS, json={"site": site, "text": "barns"}, headers=headers
    )
    assert (mine.status_code, theirs.status_code) == (201, 201)


def test_two_at_once_act_once(
    app: Flask, api: FlaskClient, session: Session, site: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four requests with one key: whichever comes first acts, the others get its answer."""

    def ask(_number: int) -> tuple[int, bytes]:
        answer = app.test_client().post(
            KEYWORDS,
            json={"site": site, "text": "sheds"},
            headers={"Idempotency-Key": "one", "Authorization": api.environ_base["HTTP_AUTHORIZATION"]},
        )
        return answer.status_code, answer.data

    with ThreadPoolExecutor(4) as pool:
        answers = {*pool.map(ask, range(4))}
    assert [status for status, _ in answers] == [201]
    assert keywords(session) == 1


def test_the_answer_is_kept_with_what_was_done_or_neither(
    api: FlaskClient, app: Flask, session: Session, site: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends before the commit leaves nothing, so the repetition acts."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    keep: Callable[..., None] = repetition.keep_answer

    def killed(_answer: Any) -> None:
        raise RuntimeError("the process ends here")

    monkeypatch.setattr("app.modules.api.resource.keep_answer", killed)
    headers, body = {"Idempotency-Key": "one"}, {"site": site, "text": "sheds"}
    assert api.post(KEYWORDS, json=body, headers=headers).status_code == 500
    assert (keywords(session), session.scalar(select(func.count(ApiRequest.id)))) == (0, 0)
    monkeypatch.setattr("app.modules.api.resource.keep_answer", keep)
    assert api.post(KEYWORDS, json=body, headers=headers).status_code == 201
    app.config["PROPAGATE_EXCEPTIONS"] = None


def test_a_secret_in_a_kept_answer_is_encrypted(api: FlaskClient, session: Session) -> None:
    made = api.post(
        "/api/outlets/webhooks/",
        json={"name": "Reporting", "url": "https://hooks.example.com/"},
        headers={"Idempotency-Key": "one"},
    )
    kept = session.scalars(select(ApiRequest.sealed)).one()
    assert kept
    assert made.json["secret"] not in kept


def test_parts_of_a_form_may_come_without_a_name(api: FlaskClient, session: Session) -> None:
    parts = [b'Content-Disposition: form-data; name="site"', b"Content-Disposition: form-data"]
    parts += [b'Content-Disposition: form-data; filename="x.csv"', b'Content-Disposition: form-data; name=""']
    body = b"".join(b"--x\r\n" + part + b"\r\n\r\n1\r\n" for part in parts) + b"--x--\r\n"
    refused = api.post(
        f"{KEYWORDS}import/",
        data=body,
        content_type="multipart/form-data; boundary=x",
        headers={"Idempotency-Key": "nameless"},
    )
    assert refused.status_code in (400, 415, 422), refused.text
    assert keywords(session) == 0
