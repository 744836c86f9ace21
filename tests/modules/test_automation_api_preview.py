"""Testing and previewing over REST: a full answer, nothing is written."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleDay, RuleRecord
from app.business.automation.run_models import RunDetail, ScheduledTask
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.planner.models import Sector
from tests.business.automation.run_rows import make_rule
from tests.factories import make_account, make_cluster, make_keyword, make_sector, make_site
from tests.modules.automation_rest import IDEAS, LABEL, RULES
from tests.people import People, make_people, program_of

pytestmark = pytest.mark.both_databases

PREVIEW = "/api/automation/preview/"
BIG = {"field": "volume", "operator": "gte", "value": 500}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


def rows(session: Session) -> list[int]:
    """The number of rows in tables that a real run would write to."""
    models = (ScheduledTask, RunDetail, RuleDay, RuleRecord)
    return [session.scalar(select(func.count()).select_from(model)) or 0 for model in models]


def test_a_test_shows_what_a_run_would_do_and_writes_nothing(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    make_cluster(session, sector)
    rule = make_rule(
        session,
        people.account,
        trigger="cluster_created",
        actions=[IDEAS, {"type": "create_tasks", "params": {}}],
    )
    session.commit()
    answer = api.post(f"{RULES}{rule.id}/test/")
    shown = answer.json
    assert (answer.status_code, shown["would_run"]) == (200, True)
    assert [gate["result"] for gate in shown["gates"]].count("stop") == 0
    assert [(action["type"], action["price"]) for action in shown["actions"]] == [
        ("generate_ideas", 5), ("create_tasks", None)
    ]  # fmt: skip
    assert (shown["price"], shown["price_max"]) == (None, 5)
    assert rows(session) == [0, 0, 0, 0]


def test_a_test_on_a_record_or_on_values_shows_every_condition(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    keyword = make_keyword(session, sector, volume=10)
    rule = make_rule(session, people.account, conditions=BIG, actions=[LABEL])
    session.commit()
    on_record = api.post(f"{RULES}{rule.id}/test/", json={"record_id": keyword.id}).json
    assert (on_record["would_run"], on_record["conditions"]) == (False, BIG | {"actual": 10, "result": False})
    on_values = api.post(f"{RULES}{rule.id}/test/", json={"context": {"volume": 500}}).json
    assert on_values["conditions"] == BIG | {"actual": 500, "result": True}


def test_a_foreign_record_cannot_be_tested(api: FlaskClient, session: Session, people: People) -> None:
    foreign = make_keyword(session, make_sector(session, make_site(session, make_account(session))))
    rule = make_rule(session, people.account)
    session.commit()
    answers = [api.post(f"{RULES}{rule.id}/test/", json={"record_id": id}) for id in (foreign.id, 999)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].data == answers[1].data


def test_a_schedule_is_described_and_its_next_times_have_the_zones_offset(api: FlaskClient) -> None:
    schedule = {"cron": "0 9 * * *", "timezone": "Europe/Warsaw"}
    body = {"schedule": schedule, "after": "2026-10-23T07:00:00Z", "count": 3}
    assert api.post(PREVIEW, json=body).json == {
        "schedule": {
            "description": "Every day at 09:00 Europe/Warsaw",
            "next": [
                "2026-10-24T09:00:00+02:00", "2026-10-25T09:00:00+01:00", "2026-10-26T09:00:00+01:00"
            ],
        },
        "errors": {},
    }  # fmt: skip


def test_without_a_trigger_any_context_is_asked(api: FlaskClient) -> None:
    conditions = {"all": [{"field": "site.mood", "operator": "eq", "value": "good"}, BIG]}
    body = {"conditions": conditions, "context": {"site": {"mood": "good"}, "volume": 500.0}}
    shown = api.post(PREVIEW, json=body).json
    assert shown["conditions"]["result"] is True
    assert [leaf["actual"] for leaf in shown["conditions"]["trace"]["all"]] == ["good", 500.0]
    assert "schedule" not in shown


def test_ten_times_are_shown_from_now_on(api: FlaskClient) -> None:
    shown = api.post(PREVIEW, json={"schedule": {"cron": "*/5 * * * *"}}).json
    assert len(shown["schedule"]["next"]) == 10
    assert api.post(PREVIEW, json={}).json == {"errors": {}}


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (
            {"schedule": {"cron": "99 * * * *", "timezone": "Mars/Base"}},
            ["schedule.cron", "schedule.timezone"],
        ),
        ({"schedule": {}}, ["schedule.cron"]),
        ({"conditions": {"field": "a", "operator": "like", "value": 1}}, ["conditions.operator"]),
        (
            {"schedule": {"cron": "x"}, "conditions": {"any": [BIG, {"operator": "eq"}]}},
            ["conditions.any[1].field", "schedule.cron"],
        ),
        (
            {"trigger": "keyword_added", "conditions": {"field": "mood", "operator": "eq", "value": 1}},
            ["conditions.field"],
        ),
        ({"trigger": "full_moon"}, ["trigger"]),
        ({"trigger": "keyword_added", "record_type": "idea"}, ["record_type"]),
        ({"record_type": "planet"}, ["record_type"]),
        ({"after": "2026-11-24T09:00:00"}, ["after"]),
        ({"after": "9999-12-31T23:59:59-12:00"}, ["after"]),
        ({"count": 101}, ["count"]),
        ({"count": 0}, ["count"]),
        ({"colour": "red"}, ["colour"]),
    ],
)
def test_mistakes_are_named_by_their_paths(api: FlaskClient, body: dict[str, Any], paths: list[str]) -> None:
    answer = api.post(PREVIEW, json=body)
    assert (answer.status_code, sorted(answer.json["errors"])) == (422, paths)


def test_the_catalogue_names_triggers_fields_and_actions(api: FlaskClient) -> None:
    shown = api.get("/api/automation/catalog/").json
    assert {entry["type"] for entry in shown["actions"]} == set(CATALOGUE)
    ideas = next(entry for entry in shown["actions"] if entry["type"] == "generate_ideas")
    assert (ideas["takes"], ideas["makes"]) == (["cluster"], "idea")
    assert ideas["params"]["properties"]["ideas_per_cluster"]["maximum"] == 10
    assert "5 credits" in ideas["price"]
    assert {entry["type"] for entry in shown["record_types"]} >= {
        "keyword",
        "cluster",
        "idea",
        "task",
        "content",
    }
    assert "schedule" in {entry["type"] for entry in shown["triggers"]}
