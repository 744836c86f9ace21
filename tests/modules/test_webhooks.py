"""Webhooks of an account: page and API, their secrets, their test, and the log of what was sent."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry, Notice
from app.business.outlets.services import webhook_messages
from app.business.outlets.services.webhooks import EVENTS, MOST_WEBHOOKS
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.infrastructure.messaging.deliveries import drain
from tests.infrastructure.webhook_receiver import Receiver, receiving
from tests.people import People, browser_of, make_people, program_of

URL = "/api/outlets/webhooks/"
MESSAGES = "/api/outlets/deliveries/"
BODY = {"name": "Slack", "url": "https://hooks.example/1", "events": ["run.failed"]}


@pytest.fixture
def people(session: Session, valkey: Redis) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


@pytest.fixture
def receiver(app: Flask) -> Iterator[Receiver]:
    """A receiver on this machine, which the operator allows."""
    with receiving() as receiver:
        before = app.extensions["settings"]
        app.extensions["settings"] = before.model_copy(update={"outbound_allow": (receiver.host,)})
        yield receiver
        app.extensions["settings"] = before


def announce(session: Session, people: People, event: str = "run.failed") -> None:
    webhook_messages.announce(
        session, people.account.id, event, lambda: [{"run": {"id": 1}}], datetime.now(UTC)
    )
    session.commit()


@pytest.mark.both_databases
def test_a_webhook_is_made_read_changed_and_deleted(session: Session, api: FlaskClient) -> None:
    made = api.post(URL, json=BODY)
    assert made.status_code == 201
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made.json.pop("secret"))
    shown = api.get(URL).json
    assert (shown["next"], [one["name"] for one in shown["results"]]) == (None, ["Slack"])
    one = f"{URL}{made.json['id']}/"
    read = api.get(one)
    assert (read.json, read.headers["ETag"]) == (shown["results"][0], '"1"')
    assert read.json | BODY == read.json
    changed = api.patch(one, json={"events": list(EVENTS), "name": "Zapier"}, headers={"If-Match": '"1"'})
    assert (changed.json["events"], changed.json["name"], changed.json["url"]) == (
        list(EVENTS),
        "Zapier",
        BODY["url"],
    )
    assert api.patch(one, json={"name": "X"}, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(one, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(one).status_code == 204
    assert [api.get(one).status_code, api.get(URL).json["results"]] == [404, []]
    done = session.scalars(select(AuditEntry.action).where(AuditEntry.action.like("webhook.%"))).all()
    assert sorted(done) == ["webhook.changed", "webhook.made", "webhook.removed"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "http://hooks.example/1"}, "url"), ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"), ({"url": "https://2130706433/"}, "url"),
        ({"url": "https://hooks.example:22/"}, "url"), ({"url": "https://me:pw@hooks.example/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"), ({"url": ""}, "url"), ({"name": " "}, "name"),
        ({"events": ["run.exploded"]}, "events"), ({"events": "run.failed"}, "events"),
        ({"secret": "whsec_mine"}, "secret"), ({"is_active": 1}, "is_active"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_beside_its_field(
    session: Session, api: FlaskClient, values: dict[str, object], field: str
) -> None:
    refused = api.post(URL, json=BODY | values)
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])
    assert session.scalar(select(func.count()).select_from(Webhook)) == 0


def test_a_name_is_unique_in_any_case_and_there_are_only_so_many(session: Session, api: FlaskClient) -> None:
    for number in range(MOST_WEBHOOKS):
        assert api.post(URL, json=BODY | {"name": f"Hook {number}"}).status_code == 201
    refused = api.post(URL, json=BODY | {"name": "HOOK 1"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["name"])
    assert api.post(URL, json=BODY).status_code == 409


def test_only_owners_see_webhooks_and_nobody_sees_a_secret(
    app: Flask, session: Session, people: People, page: FlaskClient, api: FlaskClient
) -> None:
    secret = api.post(URL, json=BODY).json["secret"]
    row = session.scalars(select(Webhook)).one()
    announce(session, people)
    delivery = session.scalars(select(WebhookDelivery)).one()
    for address in ("/webhooks", f"/webhooks/{row.id}", f"/webhooks/{row.id}/edit",
                    f"/webhooks/deliveries/{delivery.id}"):  # fmt: skip
        shown = page.get(address)
        assert (shown.status_code, secret in shown.text, row.secret_sealed in shown.text) == (
            200,
            False,
            False,
        )
        assert browser_of(app, session, people.editor).get(address).status_code == 403
    assert secret not in str([vars(entry) for entry in session.scalars(select(AuditEntry))])


def test_the_page_makes_changes_and_deletes(session: Session, page: FlaskClient, people: People) -> None:
    empty = page.get("/webhooks").text
    assert "No webhooks yet" in empty
    refused = page.post("/webhooks/new", data={"name": "Slack", "url": "https://10.0.0.1/"})
    assert (refused.status_code, "leads into a private or reserved network" in refused.text) == (422, True)
    assert 'value="https://10.0.0.1/"' in refused.text, "what was typed stays"
    made = page.post("/webhooks/new", data=BODY | {"is_active": "y"})
    assert made.status_code == 201
    [secret] = re.findall(r'id="new_secret">(whsec_[^<]+)<', made.text)
    row = session.scalars(select(Webhook)).one()
    renewed = page.post(f"/webhooks/{row.id}/secret")
    assert [secret] != re.findall(r'id="new_secret">(whsec_[^<]+)<', renewed.text)
    assert "The one before signs as well until" in page.get(f"/webhooks/{row.id}").text
    announce(session, people)
    assert page.post(f"/webhooks/{row.id}/switch", data={"on": "0"}).status_code == 303
    session.expire_all()
    delivery = session.scalars(select(WebhookDelivery)).one()
    assert (row.is_active, delivery.status) == (False, "failed"), "what waited is not sent"
    assert "Nothing is written for it until it is switched on." in page.get(f"/webhooks/{row.id}").text
    announce(session, people)
    assert session.scalars(select(WebhookDelivery)).all() == [delivery], "nothing is written meanwhile"
    assert page.post(f"/webhooks/{row.id}/switch", data={"on": "1"}).status_code == 303
    assert page.post(f"/webhooks/deliveries/{delivery.id}/send").status_code == 303
    session.expire_all()
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    edited = page.post(f"/webhooks/{row.id}/edit", data={"name": "Zapier", "url": row.url, "is_active": "y"})
    assert edited.status_code == 303
    session.expire_all()
    assert (row.name, row.events) == ("Zapier", [])
    assert page.post(f"/webhooks/{row.id}/delete").status_code == 303
    assert session.scalars(select(Webhook)).all() == session.scalars(select(WebhookDelivery)).all() == []


@pytest.mark.both_databases
def test_a_test_is_sent_at_once_signed_and_logged(
    session: Session, api: FlaskClient, page: FlaskClient, receiver: Receiver
) -> None:
    made = api.post(URL, json=BODY | {"url": receiver.url, "is_active": False}).json
    tested = api.post(f"{URL}{made['id']}/test/")
    assert (tested.json["ok"], tested.json["response_status"]) == (True, 200)
    assert receiver.received[0].verified(made["secret"])["type"] == "webhook.test"
    receiver.replies = [(302, {"Location": "https://elsewhere.example/"})]
    answer = page.post(f"/webhooks/{made['id']}/test", follow_redirects=True).text
    assert "The test failed." in answer
    assert "redirects to another address" in answer
    assert "The last test failed" in answer
    receiver.replies = [(403, {})]
    tested = api.post(f"{URL}{made['id']}/test/").json
    assert (tested["ok"], tested["message"]) == (False, "It answered 403. It does not let us in.")
    listed = api.get(MESSAGES).json["results"]
    assert [one["status"] for one in listed] == ["failed", "failed", "delivered"]
    assert api.post(f"{MESSAGES}{listed[0]['id']}/resend/").status_code == 409
    assert session.scalars(select(Notice)).all() == [], "a test that fails is no news to who made it"


def test_messages_are_listed_filtered_shown_and_sent_again(
    app: Flask, session: Session, people: People, api: FlaskClient, page: FlaskClient, receiver: Receiver
) -> None:
    made = api.post(URL, json=BODY | {"url": receiver.url}).json
    receiver.replies = [(500, {}), (410, {}), (200, {})]
    announce(session, people)
    work(app)
    row = session.scalars(select(WebhookDelivery)).one()
    assert "Messages fail" in page.get(f"/webhooks/{made['id']}").text
    row.next_at = datetime.now(UTC) - timedelta(seconds=1)
    session.commit()
    work(app)
    session.expire_all()
    assert api.get(f"{URL}{made['id']}/").json["off_reason"].startswith("It answered “410 Gone”")
    assert "This webhook was switched off" in page.get(f"/webhooks/{made['id']}").text
    assert api.post(f"{MESSAGES}{row.id}/resend/").status_code == 409, "it is switched off"
    api.patch(f"{URL}{made['id']}/", json={"is_active": True})
    again = api.post(f"{MESSAGES}{row.id}/resend/")
    assert (again.status_code, again.json["status"], again.json["attempts"]) == (202, "pending", 2)
    assert api.post(f"{MESSAGES}{row.id}/resend/").status_code == 409, "it is being sent"
    work(app)
    [shown] = api.get(f"{MESSAGES}?webhook={made['id']}&status=delivered").json["results"]
    assert (shown["id"], shown["response_status"], shown["next_at"]) == (row.id, 200, None)
    assert api.get(f"{MESSAGES}?status=failed&status=pending").json["results"] == []
    log = page.get(f"/webhooks/deliveries/{row.id}").text
    assert "It answered 500. It has trouble at the moment." in log
    assert "410 Gone" not in page.get(f"/webhooks/{made['id']}").text
    assert len({one.id for one in receiver.received}) == 1
    assert api.get(f"{MESSAGES}?status=lost").status_code == 400


def work(app: Flask) -> int:
    return drain(app.extensions["settings"], most_seconds=30, stopping=lambda: False)


def test_messages_of_others_are_not_there(
    app: Flask, session: Session, people: People, api: FlaskClient, receiver: Receiver
) -> None:
    api.post(URL, json=BODY)
    announce(session, people)
    [mine] = api.get(MESSAGES).json["results"]
    others = make_people(session)
    stranger: Any = program_of(app, session, others.owner)
    assert stranger.get(MESSAGES).json["results"] == []
    assert stranger.post(f"{MESSAGES}{mine['id']}/resend/").status_code == 404
    announce(session, others)
    assert len(session.scalars(select(WebhookDelivery)).all()) == 1, "nobody else is told"
