"""Messages of rules and of events to webhooks: written with what they report, as the API shows it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.actions.webhook_handler import MOST_BYTES, MOST_RECORDS
from app.business.automation.services.forecast.credit_watch import update_notices
from app.business.automation.services.runs.run_json import run_json
from app.business.outlets.services.webhook_messages import post
from app.business.outlets.services.webhooks import EVENTS
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.planner.models import Sector
from app.business.writer.services.record_json import OF_TYPE, records_json
from tests.business.automation.actions.publishing_world import World
from tests.business.automation.machine import Machine
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
    make_webhook,
)
from tests.infrastructure.wordpress_stand_in import serving
from tests.modules.automation_rest import RULES, RUNS
from tests.people import People, make_people, program_of


@pytest.fixture
def people(session: Session, valkey: Redis) -> People:
    return make_people(session)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


@pytest.fixture
def hook(session: Session, people: People) -> Webhook:
    hook = make_webhook(session, people.account, name="Slack", events=[])
    session.commit()
    return hook


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def machine(session: Session) -> Machine:
    return Machine(session, now=datetime.now(UTC) + timedelta(minutes=1))


def send_to(hook: Webhook) -> dict[str, Any]:
    return {"type": "send_webhook", "params": {"webhook": hook.id}}


def messages(session: Session) -> list[dict[str, Any]]:
    session.rollback()
    rows = session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))
    return [json.loads(row.body) for row in rows]


def subscribe(session: Session, hook: Webhook, *events: str) -> None:
    hook.events = list(events)
    session.commit()


@pytest.mark.both_databases
def test_a_rule_writes_one_message_with_its_records_as_the_api_shows_them(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook, api: FlaskClient
) -> None:
    found = [make_keyword(session, sector, volume=volume) for volume in (10, 20)]
    rule = machine.make_rule(people.account, name="Tell Slack", actions=[send_to(hook)])
    run = machine.run_now(rule, record_ids=[row.id for row in found])
    assert (run.status, run.result["summary"]) == ("completed", "Message to the webhook “Slack” written.")
    [message] = messages(session)
    data = message["data"]
    assert message["type"] == "rule.action"
    assert data["rule"] == {"id": rule.id, "name": "Tell Slack", "version": 1}
    assert (data["run"]["id"], data["record_type"], data["record_count"]) == (run.id, "keyword", 2)
    assert data["records"] == [api.get(f"/api/planner/keywords/{row.id}/").json for row in found]


@pytest.mark.both_databases
@pytest.mark.parametrize("record_type", list(OF_TYPE))
def test_records_in_messages_are_those_of_the_api(
    session: Session, people: People, sector: Sector, api: FlaskClient, record_type: str
) -> None:
    cluster = make_cluster(session, sector, main_intent="commercial")
    make_keyword(session, sector, cluster_id=cluster.id, status="clustered", volume=30)
    idea = make_idea(session, sector, cluster_id=cluster.id)
    task = make_task(session, sector, idea_id=idea.id, due_on=datetime.now(UTC).date())
    content = make_content(session, sector, task_id=task.id, html="<p>ü</p>", labels=["a"])
    keyword = make_keyword(
        session, sector, difficulty=3.5, cpc=None, cluster_id=cluster.id, status="clustered"
    )
    session.commit()
    row = {"cluster": cluster, "idea": idea, "task": task, "content": content, "keyword": keyword}[
        record_type
    ]
    module = "writer" if record_type in ("task", "content") else "planner"
    address = f"/api/{module}/{record_type}{'' if record_type == 'content' else 's'}/{row.id}/"
    shown = api.get(address).json
    assert json.loads(json.dumps(records_json(session, record_type, [row.id, 987_654]))) == [shown]


def test_many_or_long_records_are_cut_and_counted(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook
) -> None:
    many = [make_keyword(session, sector).id for _ in range(MOST_RECORDS + 20)]
    rule = machine.make_rule(people.account, actions=[send_to(hook)], record_limit=500)
    machine.run_now(rule, record_ids=many)
    long = [make_content(session, sector, html="x" * 100_000, status="approved").id for _ in range(5)]
    articles = machine.make_rule(people.account, trigger="content_generated", actions=[send_to(hook)])
    machine.run_now(articles, record_ids=long)
    first, second = (message["data"] for message in messages(session))
    assert (len(first["records"]), first["record_count"]) == (MOST_RECORDS, MOST_RECORDS + 20)
    assert (len(second["records"]), second["record_count"]) == (2, 5)
    assert len(json.dumps(second)) < MOST_BYTES + 10_000


def test_a_webhook_that_is_off_or_gone_is_said(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook
) -> None:
    word = make_keyword(session, sector)
    rule = machine.make_rule(people.account, actions=[send_to(hook)])
    hook.is_active = False
    off = machine.run_now(rule, record_ids=[word.id])
    assert "is switched off: nothing is sent to it" in str(off.result)
    session.execute(delete(Webhook))
    gone = machine.run_now(rule, record_ids=[word.id])
    assert "The webhook was deleted" in str(gone.result) + gone.error_message
    assert messages(session) == []


def test_a_rule_names_only_webhooks_of_its_account(
    session: Session, api: FlaskClient, people: People, hook: Webhook
) -> None:
    stranger = make_webhook(session, make_people(session).account)
    session.commit()
    body = {"name": "Tell", "trigger": "keyword_added"}
    refused = api.post(RULES, json=body | {"actions": [send_to(stranger)]})
    assert refused.status_code == 422
    assert f"webhook {stranger.id} was not found" in str(refused.json["errors"])
    made = api.post(RULES, json=body | {"actions": [send_to(hook)], "is_active": False})
    assert made.status_code == 201, made.json
    text = api.get(f"{RULES}export/?rule={made.json['id']}").text
    assert "webhook: Slack" in text
    copied = api.post(
        f"{RULES}import/", json={"yaml": text.replace("name: Tell", "name: Again"), "dry_run": False}
    )
    assert copied.status_code == 200, copied.json
    again = session.scalars(select(AutomationRule).where(AutomationRule.name == "Again")).one()
    assert again.actions == [send_to(hook)]


@pytest.mark.both_databases
def test_the_end_of_a_run_is_told_as_the_api_shows_it(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook, api: FlaskClient
) -> None:
    rule = machine.make_rule(people.account)
    word = make_keyword(session, sector)
    machine.run_now(rule, record_ids=[word.id])
    assert messages(session) == [], "nobody is subscribed"
    subscribe(session, hook, "run.completed")
    run = machine.run_now(rule, record_ids=[word.id])
    [message] = messages(session)
    shown = api.get(f"{RUNS}{run.id}/").json
    assert message["type"] == "run.completed"
    assert message["data"]["run"] == {key: shown[key] for key in message["data"]["run"]}
    assert message["data"]["run"].keys() == run_json(run).keys()
    listed = api.get(RUNS).json["results"][0]
    assert listed.keys() == run_json(run).keys()


def test_a_run_that_is_rolled_back_tells_nobody(
    session: Session, people: People, sector: Sector, hook: Webhook, api: FlaskClient
) -> None:
    subscribe(session, hook, *EVENTS)
    content = make_content(session, sector, status="approved")
    session.commit()
    address = f"/api/writer/content/{content.id}/"
    refused = api.patch(address, json={"status": "draft", "title": "a\x07b"})
    assert (refused.status_code, messages(session)) == (422, [])


@pytest.mark.both_databases
def test_content_made_approved_and_published_is_told(
    app: Flask, session: Session, people: People, sector: Sector, hook: Webhook, api: FlaskClient
) -> None:
    subscribe(session, hook, "content.generated", "content.approved", "content.published")
    made = api.post(
        "/api/writer/content/", json={"site": sector.site_id, "title": "Shoes", "html": "<p>x</p>"}
    )
    address = f"/api/writer/content/{made.json['id']}/"
    api.patch(address, json={"status": "review"})
    approved = api.patch(address, json={"status": "approved"})
    assert approved.status_code == 200, approved.json
    first, second = messages(session)
    assert [first["type"], second["type"]] == ["content.generated", "content.approved"]
    assert first["data"] == {"content": made.json}
    assert second["data"] == {"content": approved.json}


def test_an_article_that_a_rule_makes_public_is_told_once(
    session: Session, people: People, hook: Webhook
) -> None:
    subscribe(session, hook, "content.published")
    with serving() as wordpress:
        world = World(session, wordpress, people.account)
        content = world.article()
        world.publish(content, status="draft")
        assert messages(session) == []
        world.settled(world.start(world.rule(), content))
        [shown] = records_json(session, "content", [content.id])
        assert (shown["status"], shown["published_url"]) == ("published", f"{wordpress.url}/garden-sheds/")
        [message] = messages(session)
        assert (message["type"], message["data"]) == ("content.published", {"content": shown})
        world.publish(content)
        assert len(messages(session)) == 1, "an update makes nothing public"


def test_low_credits_are_told_once(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook
) -> None:
    subscribe(session, hook, "credits.low")
    rule = machine.make_rule(
        people.account, trigger="cluster_created", actions=[{"type": "generate_ideas", "params": {}}]
    )
    # The forecast looks at the clusters of the last weeks.
    cluster = make_cluster(session, sector, created_at=machine.now - timedelta(days=1))
    machine.run_now(rule, record_ids=[cluster.id])
    people.account.credits_balance = 20
    session.flush()
    for hours in (0, 1):
        update_notices(session, people.account, machine.now + timedelta(hours=hours))
    session.commit()
    [message] = messages(session)
    assert message["type"] == "credits.low"
    assert message["data"]["available"] == 20


def test_a_repeated_unit_writes_one_message(
    session: Session, machine: Machine, people: People, sector: Sector, hook: Webhook
) -> None:
    rule = machine.make_rule(people.account, actions=[send_to(hook)])
    machine.run_now(rule, record_ids=[make_keyword(session, sector).id])
    row = session.scalars(select(WebhookDelivery)).one()
    assert row.key
    post(session, hook, "rule.action", {}, key=row.key, now=machine.now)
    session.commit()
    assert len(messages(session)) == 1
