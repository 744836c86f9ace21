"""The address for messages from other systems: signed, limited, each id once, renewed and ended by owners."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from app.business.accounts.models import AccountStatus, AuditEntry
from app.business.accounts.services.audit_log import AuditActor
from app.business.events import Event, EventBatch
from app.business.outlets.incoming_models import IncomingAddress, IncomingMessage
from app.business.outlets.services import incoming
from app.infrastructure.secret_box import SecretBox
from app.modules.outlets import incoming_api
from app.modules.quotas import Quota
from tests.fuzz.world import fingerprint
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def sender(app: Flask, session: Session, people: People) -> "Sender":
    seal = SecretBox.of(app.extensions["settings"]).seal
    row, secret = incoming.renew(session, people.account.id, AuditActor(), seal=seal, now=datetime.now(UTC))
    session.commit()
    return Sender(app, f"/api/incoming/{row.name}/", secret)


class Sender:
    """Another system that knows the address and the secret."""

    def __init__(self, app: Flask, path: str, secret: str) -> None:
        self.app, self.path, self.webhook = app, path, Webhook(secret)

    def post(self, message: Any = None, id: str = "msg_1", **headers: str) -> TestResponse:
        body = message if isinstance(message, str) else json.dumps(message or {"who": "Ada"})
        now = datetime.now(UTC)
        signed = {
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.webhook.sign(id, now, body),
        }
        sent = {"Content-Type": "application/json"} | signed | headers
        return self.app.test_client().post(self.path, data=body, headers=sent)


def messages(session: Session) -> tuple[int, int]:
    """The number of messages taken, and of closed batches for rules."""
    session.rollback()
    closed = select(func.count(EventBatch.id)).where(EventBatch.closed_at.is_not(None))
    return session.scalar(select(func.count(IncomingMessage.id))) or 0, session.scalar(closed) or 0


@pytest.mark.both_databases
def test_a_signed_message_is_taken_once(session: Session, sender: Sender) -> None:
    first = sender.post({"order": {"total": 5}})
    assert (first.status_code, first.json) == (202, {"id": "msg_1", "repeated": False})
    again = sender.post({"order": {"total": 6}})
    assert (again.status_code, again.json) == (202, {"id": "msg_1", "repeated": True})
    assert messages(session) == (1, 1)
    assert session.scalar(select(Event.data)) == {"order": {"total": 5}}
    address = session.scalars(select(IncomingAddress)).one()
    assert address.used_at


@pytest.mark.both_databases
def test_of_messages_with_one_id_at_once_one_is_taken(session: Session, sender: Sender) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: sender.post({"number": number}), range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert sorted(answer.json["repeated"] for answer in answers if answer.json) == [False, True, True, True]
    assert messages(session) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"webhook-signature": "v1,AAAA"}, 401),
        ({"webhook-signature": ""}, 401),
        ({"webhook-signature": "v1"}, 401),
        ({"webhook-signature": "v1,A"}, 401),
        ({"webhook-signature": "v1,\xe9\xe9\xe9\xe9"}, 401),
        ({"webhook-signature": "v1,AAAA  v1,AAAA"}, 401),
        ({"webhook-signature": "v1,AAAA,AAAA"}, 401),
        ({"webhook-signature": "v1a,AAAA"}, 401),
        ({"webhook-timestamp": "nan"}, 401),
        ({"webhook-timestamp": "1e400"}, 401),
        ({"webhook-timestamp": "-1"}, 401),
        ({"webhook-id": "msg_2"}, 401),
        ({"webhook-timestamp": "soon"}, 401),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_a_message_that_is_not_signed_so_is_refused(
    session: Session, sender: Sender, headers: dict[str, str], status: int
) -> None:
    before = fingerprint(session)
    refused = sender.post(**headers)
    assert (refused.status_code, refused.content_type) == (status, "application/problem+json")
    assert status != 401 or refused.json["detail"] == incoming_api.WRONG_SIGNATURE, "no word of API keys"
    assert fingerprint(session) == before


def test_an_old_message_an_ended_address_and_an_unknown_one_are_refused(
    session: Session, people: People, sender: Sender
) -> None:
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=6), tick=False):
        old = sender.post
        signed_then = sender.webhook.sign("msg_1", datetime.now(UTC), '{"who": "Ada"}')
        then = str(int(datetime.now(UTC).timestamp()))
    assert old(**{"webhook-signature": signed_then, "webhook-timestamp": then}).status_code == 401
    people.account.status = AccountStatus.SUSPENDED
    session.commit()
    assert sender.post().status_code == 403
    people.account.status = AccountStatus.ACTIVE
    incoming.end(session, people.account.id, AuditActor(), datetime.now(UTC))
    session.commit()
    ended = sender.post()
    sender.path = f"/api/incoming/{'x' * 43}/"
    unknown = sender.post()
    assert ended.status_code == unknown.status_code == 404
    assert ended.data == unknown.data
    assert messages(session) == (0, 0)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("[1]", 400),
        ("{", 400),
        ('{"a": 1, "a": 2}', 400),
        ('{"a": "\\u0000"}', 422),
        ('{"a": {"\\ud800": 1}}', 422),
        (json.dumps({"a": "x" * 65_536}), 413),
        (json.dumps({"a": "x" * 1_000_000}), 413),
    ],
)
def test_a_message_that_cannot_be_kept_is_refused(
    session: Session, sender: Sender, message: str, status: int
) -> None:
    assert sender.post(message).status_code == status
    assert messages(session) == (0, 0)


def test_a_message_has_64_kilobytes(session: Session, sender: Sender) -> None:
    most = json.dumps({"a": "x" * (64 * 1024 - 9)})
    assert len(most) == 64 * 1024
    assert sender.post(most).status_code == 202


def test_an_account_takes_so_many_messages_a_minute(
    session: Session, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming_api, "INCOMING", Quota("incoming messages", 2, 60))
    with time_machine.travel(datetime.now(UTC).replace(second=20, microsecond=0), tick=False):
        answers = [sender.post(id=f"msg_{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].headers["Retry-After"] == "40"
    assert messages(session)[0] == 2


def test_owners_make_renew_and_end_the_address(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    assert "No address yet" in owner.get("/incoming").text
    sent = []
    for _ in range(2):
        page = owner.post("/incoming")
        assert page.status_code == 201
        name = session.scalars(select(IncomingAddress.name)).one()
        assert f"/api/incoming/{name}/" in page.text
        secret = next(part.split("<")[0] for part in page.text.split(">") if part.startswith("whsec_"))
        assert secret not in owner.get("/incoming").text
        sent.append(Sender(app, f"/api/incoming/{name}/", secret))
        session.rollback()
    assert [sender.post().status_code for sender in sent] == [404, 202]
    assert owner.post("/incoming/end").status_code == 303
    assert sent[1].post().status_code == 404
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["incoming.made", "incoming.renewed", "incoming.ended"]
    assert owner.post("/incoming/end").status_code == 404


def test_the_page_says_what_the_latest_messages_started(
    app: Flask, session: Session, people: People, sender: Sender
) -> None:
    for number in range(12):
        sender.post({"order": {"total": number}}, id=f"msg_{number:02}")
    batch = session.scalar(select(Event.batch_id).order_by(Event.id.desc()).limit(1))
    rule = make_rule(session, people.account, name="Thank for the order")
    make_run(session, rule, "completed", batch_id=batch, part=0)
    session.execute(delete(Event).where(Event.batch_id != batch))
    session.commit()
    page = browser_of(app, session, people.owner).get("/incoming").text
    assert re.findall(r"<code>(msg_\d+)</code>", page) == [f"msg_{number:02}" for number in range(11, 1, -1)]
    newest, *older = re.findall(r'<tr role="row">(.*?)</tr>', page.partition("Latest messages")[2], re.S)[1:]
    assert "Thank for the order" in newest
    assert "total&#34;: 11" in newest
    assert all("No rule listens" in line for line in older)
    assert "msg_" not in browser_of(app, session, people.stranger).get("/incoming").text
