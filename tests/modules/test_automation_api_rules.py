"""Rules over REST: create, read, replace, change, switch, archive."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause, ScheduledTask
from app.infrastructure.database import db
from tests.business.automation import run_rows
from tests.factories import make_account, make_cluster, make_sector, make_site
from tests.modules.automation_rest import HOURLY, IDEAS, RULES, rule_body
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.both_databases

NAMES = [
    "id", "name", "description", "trigger", "trigger_options", "site", "sector", "record_type", "conditions",
    "actions", "schedule", "is_active", "max_executions_per_day", "credit_limit_per_execution", "record_limit",
    "record_minimum", "order", "batching", "split_by", "repeat", "repeat_after_days", "overlap", "catch_up",
    "catch_up_hours", "on_closed_days", "when_limited", "priority", "mode", "monthly_budget", "stop_after_failures",
    "version", "last_executed_at",
    "execution_count_today", "last_reset_at", "next_run_at", "created_at", "updated_at", "archived_at", "summary",
]  # fmt: skip


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


@pytest.fixture
def rule(api: FlaskClient) -> dict[str, Any]:
    """A rule created over REST."""
    made: dict[str, Any] = api.post(RULES, json=rule_body()).get_json()
    return made


def test_a_new_rule_has_every_name_its_defaults_and_its_address(api: FlaskClient) -> None:
    answer = api.post(RULES, json=rule_body())
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert sorted(answer.json) == sorted(NAMES)
    assert (answer.json["is_active"], answer.json["max_executions_per_day"]) == (True, 10)
    assert (answer.json["record_type"], answer.json["last_executed_at"]) == ("keyword", None)
    assert answer.json["summary"] == (
        "When keywords are added: update the records (add the label “seen”), at most 10 times a day."
    )
    assert api.get(answer.location).json == answer.json


def test_the_documented_example_reads_back_as_it_was_sent(api: FlaskClient, session: Session) -> None:
    body = {
        "name": "Nightly ideas",
        "description": "Fill up",
        "trigger": "schedule",
        "record_type": "cluster",
        "conditions": {"field": "status", "operator": "eq", "value": "new"},
        "actions": [IDEAS],
        "schedule": {"cron": "0 9 * * *", "timezone": "UTC"},
        "is_active": True,
        "max_executions_per_day": 5,
        "credit_limit_per_execution": 50,
    }
    shown = api.post(RULES, json=body).json
    assert {name: shown[name] for name in body if name != "actions"} == {
        name: value for name, value in body.items() if name != "actions"
    }
    next_at = datetime.fromisoformat(shown["next_run_at"])
    assert (next_at.hour, next_at.minute, next_at > datetime.now(UTC)) == (9, 0, True)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"colour": "red"}, "colour"),
        ({"id": 5}, "id"),
        ({"version": 1}, "version"),
        ({"last_executed_at": None}, "last_executed_at"),
        ({"execution_count_today": 0}, "execution_count_today"),
        ({"account_id": 2}, "account_id"),
        ({"name": ""}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"trigger": "full_moon"}, "trigger"),
        ({"actions": []}, "actions"),
        ({"actions": [{"type": "explode"}]}, "actions[0].type"),
        ({"actions": [{"type": []}]}, "actions[0].type"),
        ({"actions": [{"type": "notify", "params": {"message": "a", "x": 1}}]}, "actions[0].params.x"),
        ({"conditions": {"field": "status", "operator": "eq", "value": "x"}}, "conditions.value"),
        ({"max_executions_per_day": "10"}, "max_executions_per_day"),
        ({"max_executions_per_day": True}, "max_executions_per_day"),
        ({"site": 2**70}, "site"),
        ({"trigger": "schedule", "schedule": {"cron": "99 * * * *"}}, "schedule.cron"),
        ({"trigger": "schedule", "schedule": {"cron": "* * * * *"}}, "schedule.cron"),
    ],
)
def test_an_invalid_value_is_refused_by_its_path(
    api: FlaskClient, session: Session, values: dict[str, Any], path: str
) -> None:
    answer = api.post(RULES, json=rule_body(**values))
    assert (answer.status_code, list(answer.json["errors"])) == (422, [path])
    assert session.scalar(select(func.count(AutomationRule.id))) == 0


@pytest.mark.parametrize("ids", [[2**63], [2**200]])
def test_an_id_beyond_any_row_is_refused(api: FlaskClient, ids: list[int]) -> None:
    actions = [{"type": "generate_ideas", "params": {"cluster_ids": ids}}]
    assert api.post(RULES, json=rule_body(actions=actions)).status_code == 422


@pytest.mark.parametrize(
    ("status", "record_type", "words"),
    [("draft", "task", "tasks"), ("planned", "cluster", "clusters"), ("new", "cluster", "clusters"),
     ("clustered", "keyword", "keywords"), ("accepted", "idea", "ideas"), ("approved", "content", "content")],
)  # fmt: skip
def test_records_that_an_action_names_leave_the_record_type_to_the_conditions(
    api: FlaskClient, session: Session, people: People, status: str, record_type: str, words: str
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    ids = [make_cluster(session, sector).id for _ in range(2)]
    session.commit()
    answer = api.post(
        RULES,
        json={
            "name": "Ideas for two clusters",
            "trigger": "schedule",
            "schedule": {"cron": "0 9 * * *", "timezone": "UTC"},
            "conditions": {"field": "status", "operator": "eq", "value": status},
            "actions": [{"type": "generate_ideas", "params": {"cluster_ids": ids}}],
        },
    )
    assert (answer.status_code, answer.json.get("record_type")) == (201, record_type), answer.json
    assert words in answer.json["summary"]


def test_put_gives_absent_keys_their_defaults(api: FlaskClient, rule: dict[str, Any]) -> None:
    address = f"{RULES}{rule['id']}/"
    api.patch(address, json={"description": "Old", "priority": 1})
    answer = api.put(address, json=rule_body(name="New"))
    assert (answer.status_code, answer.json["version"]) == (200, 3)
    assert (answer.json["name"], answer.json["description"], answer.json["priority"]) == ("New", "", 5)


def test_patch_keeps_absent_keys(api: FlaskClient, rule: dict[str, Any]) -> None:
    changed = api.patch(f"{RULES}{rule['id']}/", json={"priority": 1}).json
    ignored = {"priority": 1, "version": 2, "updated_at": changed["updated_at"]}
    assert changed == rule | ignored


def test_a_changed_trigger_brings_its_own_record_type(api: FlaskClient, rule: dict[str, Any]) -> None:
    changed = api.patch(f"{RULES}{rule['id']}/", json={"trigger": "idea_created"})
    assert (changed.status_code, changed.json["record_type"]) == (200, "idea")
    planned = api.patch(f"{RULES}{rule['id']}/", json={"trigger": "schedule", "schedule": HOURLY})
    assert (planned.status_code, planned.json["next_run_at"] is not None) == (200, True)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_answer_can_be_sent_back(api: FlaskClient, rule: dict[str, Any], method: str) -> None:
    derived = {"updated_at": "x", "last_executed_at": "x", "execution_count_today": 9, "next_run_at": 1}
    answer = getattr(api, method)(f"{RULES}{rule['id']}/", json=rule | derived | {"priority": 2})
    assert (answer.status_code, answer.json["priority"], answer.json["version"]) == (200, 2, 2)
    again = getattr(api, method)(f"{RULES}{rule['id']}/", json=answer.json)
    assert (again.status_code, again.json["version"]) == (200, 2)


@pytest.mark.parametrize("key", ["id", "version", "created_at", "archived_at"])
def test_a_read_only_key_that_differs_is_refused(api: FlaskClient, rule: dict[str, Any], key: str) -> None:
    answer = api.patch(f"{RULES}{rule['id']}/", json={key: 99})
    assert (answer.status_code, list(answer.json["errors"])) == (422, [key])
    unknown = api.patch(f"{RULES}{rule['id']}/", json={"colour": 1})
    assert (unknown.status_code, list(unknown.json["errors"])) == (422, ["colour"])


def test_a_change_on_an_old_version_is_refused(api: FlaskClient, rule: dict[str, Any]) -> None:
    address, old = f"{RULES}{rule['id']}/", {"If-Match": '"1"'}
    assert api.patch(address, json={"priority": 2}, headers=old).status_code == 200
    for answer in (
        api.patch(address, json={"priority": 3}, headers=old),
        api.put(address, json=rule_body(), headers=old),
        api.delete(address, headers=old),
        api.post(f"{address}disable/", headers=old),
    ):
        assert answer.status_code == 412
    assert api.get(address).headers["ETag"] == '"2"'
    assert api.patch(address, json={"priority": 3}, headers={"If-Match": "*"}).status_code == 200


def test_deleting_archives_and_keeps_everything(
    api: FlaskClient, session: Session, rule: dict[str, Any]
) -> None:
    address = f"{RULES}{rule['id']}/"
    assert (api.delete(address).status_code, api.delete(address).status_code) == (204, 204)
    assert api.get(address).json["archived_at"]
    assert [len(api.get(RULES + query).json["results"]) for query in ("", "?archived=true")] == [0, 1]
    assert api.patch(address, json={"priority": 2}).status_code == 409
    assert api.post(f"{address}enable/").status_code == 409
    assert session.scalar(select(func.count(RuleVersion.id))) == 2


def test_switching_off_and_on(api: FlaskClient, rule: dict[str, Any]) -> None:
    off = api.post(f"{RULES}{rule['id']}/disable/")
    assert (off.status_code, off.json["is_active"]) == (200, False)
    on = api.post(f"{RULES}{rule['id']}/enable/", json={"backfill": False})
    assert (on.status_code, on.json["is_active"], on.headers["ETag"]) == (200, True, '"3"')
    refused = api.post(f"{RULES}{rule['id']}/enable/", json={"backfil": True})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["backfil"])


def test_enabling_may_run_on_existing_records(
    api: FlaskClient, session: Session, rule: dict[str, Any]
) -> None:
    api.post(f"{RULES}{rule['id']}/disable/")
    assert api.post(f"{RULES}{rule['id']}/enable/", json={"backfill": True}).status_code == 200
    assert session.scalars(select(ScheduledTask.cause)).all() == [Cause.BACKFILL]


def test_rules_are_listed_last_made_first_page_by_page(
    api: FlaskClient, people: People, session: Session
) -> None:
    made = [api.post(RULES, json=rule_body(name=f"Rule {number}")).json["id"] for number in range(3)]
    first = api.get(f"{RULES}?limit=2").json
    second = api.get(f"{RULES}?limit=2&cursor={first['next']}").json
    assert [rule["id"] for rule in [*first["results"], *second["results"]]] == made[::-1]
    assert second["next"] is None
    api.post(f"{RULES}{made[0]}/disable/")
    assert [rule["id"] for rule in api.get(f"{RULES}?is_active=false").json["results"]] == [made[0]]
    assert [rule["id"] for rule in api.get(f"{RULES}?text=rule+2").json["results"]] == [made[2]]


@pytest.mark.parametrize("query", ["colour=red", "is_active=perhaps", "limit=0", "limit=201", "site=x"])
def test_an_unknown_or_unusable_parameter_is_named(api: FlaskClient, query: str) -> None:
    answer = api.get(f"{RULES}?{query}")
    assert (answer.status_code, list(answer.json["errors"])) == (400, [query.split("=")[0]])


def test_figures_of_a_rule_come_from_its_runs(
    api: FlaskClient, session: Session, people: People, rule: dict[str, Any]
) -> None:
    row = session.get_one(AutomationRule, rule["id"])
    run = run_rows.make_run(session, row, datetime.now(UTC))
    session.commit()
    shown = api.get(f"{RULES}{rule['id']}/").json
    assert datetime.fromisoformat(shown["last_executed_at"]) == run.started_at
    assert datetime.fromisoformat(shown["last_reset_at"]) == datetime.now(UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )


def test_a_list_takes_as_many_queries_for_twenty_rules_as_for_two(
    api: FlaskClient, session: Session, people: People
) -> None:
    counted: list[int] = []
    statements: list[str] = []
    api.get(RULES)  # the use of the key is recorded once
    event.listen(db.engine, "before_cursor_execute", lambda *about: statements.append(about[2]))
    for count in (2, 18):
        for _ in range(count):
            site = make_site(session, people.account)
            run_rows.make_rule(session, people.account, site=site.id, sector=make_sector(session, site).id)
        session.commit()
        statements.clear()
        assert len(api.get(f"{RULES}?limit=200").json["results"]) in (2, 20)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 8


def test_the_place_of_a_rule_is_in_its_sentence(api: FlaskClient, session: Session, people: People) -> None:
    site = make_site(session, people.account, name="Tea")
    session.commit()
    assert " on Tea: " in api.post(RULES, json=rule_body(site=site.id)).json["summary"]


def test_a_foreign_site_is_refused_as_if_it_were_not_there(api: FlaskClient, session: Session) -> None:
    foreign = make_site(session, make_account(session))
    session.commit()
    answers = [api.post(RULES, json=rule_body(site=id)).json["errors"] for id in (foreign.id, 999)]
    assert answers == [{"site": [f"Site {id} was not found."]} for id in (foreign.id, 999)]


def test_a_browser_needs_the_token_of_its_session(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.editor)
    assert browser.post(RULES, json=rule_body()).status_code == 201
    del browser.environ_base["HTTP_X_CSRFTOKEN"]
    assert browser.post(RULES, json=rule_body()).status_code == 400


def test_addresses_end_with_or_without_a_slash(api: FlaskClient, rule: dict[str, Any]) -> None:
    assert api.get(RULES.rstrip("/")).status_code == 200
    assert api.get(f"{RULES}{rule['id']}").json == rule
    assert api.post(f"{RULES}{rule['id']}/disable").status_code == 200
