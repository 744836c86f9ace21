"""Lists of the API: order, chosen fields, count, unknown parameters, and pages that stay whole while rows arrive."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.planner.models import Sector
from app.modules.api.declaration import Call, declared_calls
from app.modules.api.resource import PARTIAL_LIST
from app.modules.openapi.document import document_of
from tests.factories import make_cluster, make_keyword, make_sector, make_site, make_task
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.modules.permissions import address, make_rows
from tests.people import People, make_people, program_of
from tests.sampling import times

RULES, RUNS = "/api/automation/rules/", "/api/automation/scheduled-tasks/"
KEYWORDS, CLUSTERS, TASKS = "/api/planner/keywords/", "/api/planner/clusters/", "/api/writer/tasks/"
ARRIVING = times(full=1_000, sample=250)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


def rule_of(session: Session, people: People, name: str = "Rule") -> AutomationRule:
    return make_rule(session, people.account, **ON_KEYWORDS | {"name": name}, schedule={}, conditions={})


def walk(api: FlaskClient, path: str, key: str = "id") -> list[Any]:
    """This key of all results, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{path}&limit=2&cursor={cursor}").json
        found += [result[key] for result in page["results"]]
        cursor = page["next"]
    return found


@pytest.mark.both_databases
def test_a_list_is_ordered_by_a_column_up_and_down(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    for text, volume in (("b", 20), ("a", None), ("d", 10), ("c", 20)):
        make_keyword(session, sector, text=text, volume=volume)
    for name in ("B", "a", "C"):
        make_cluster(session, sector, name=name)
    for days in (3, None, 1):
        due_on = datetime.now(UTC).date() + timedelta(days=days) if days else None
        make_task(session, sector, title=f"due {days}", due_on=due_on)
    rules = [rule_of(session, people, name) for name in ("Two", "One")]
    runs = [make_run(session, rules[0], "completed", timedelta(hours=age)) for age in (3, 1, 2)]
    session.commit()
    assert walk(api, f"{KEYWORDS}?ordering=volume", "text") == ["a", "d", "b", "c"]
    assert walk(api, f"{KEYWORDS}?ordering=-volume", "text") == ["c", "b", "d", "a"]
    assert walk(api, f"{KEYWORDS}?ordering=-text", "text") == ["d", "c", "b", "a"]
    assert walk(api, f"{KEYWORDS}?ordering=created_at", "text") == ["b", "a", "d", "c"]
    assert walk(api, f"{CLUSTERS}?ordering=name", "name") == ["B", "C", "a"]
    assert walk(api, f"{TASKS}?ordering=due_on", "title") == ["due 1", "due 3", "due None"]
    assert walk(api, f"{RULES}?ordering=name", "name") == ["One", "Two"]
    assert walk(api, f"{RULES}?ordering=-created_at", "name") == ["One", "Two"]
    oldest = [runs[index].id for index in (0, 2, 1)]
    for filters in ("", "&status=completed&status=failed", f"&automation_rule={rules[0].id}"):
        assert walk(api, f"{RUNS}?ordering=scheduled_at{filters}") == oldest
        assert walk(api, f"{RUNS}?ordering=-scheduled_at{filters}") == oldest[::-1]
        assert walk(api, f"{RUNS}?ordering=id{filters}") == [run.id for run in runs]


@pytest.mark.both_databases
def test_the_number_of_all_is_counted_when_asked_for(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    for text, volume in (("b", 20), ("a", None), ("d", 10)):
        make_keyword(session, sector, text=text, volume=volume)
    rule = rule_of(session, people)
    for status, age in (("completed", 3), ("completed", 2), ("skipped", 1), ("pending", -1)):
        make_run(session, rule, status, timedelta(hours=age), attempt=0)
    session.commit()
    for path, count in (
        (f"{KEYWORDS}?limit=1", 3), (f"{KEYWORDS}?volume_from=10", 2), (f"{KEYWORDS}?ordering=text&limit=2", 3),
        (f"{RUNS}?limit=1", 3), (f"{RUNS}?upcoming=true", 4), (f"{RUNS}?automation_rule={rule.id}", 3),
        (f"{RUNS}?status=completed&status=skipped", 3), (f"{RUNS}?status=failed", 0), (f"{RULES}?limit=1", 1),
        ("/api/billing/ledger/?limit=1", 1), ("/api/outlets/webhooks/?limit=1", 0),
    ):  # fmt: skip
        assert api.get(f"{path}&count=true").json["count"] == count, path
        assert "count" not in api.get(f"{path}&count=false").json
        assert "count" not in api.get(path).json


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_every_list_has_only_the_fields_asked_for_and_refuses_unknown_parameters(
    app: Flask, session: Session, people: People, api: FlaskClient
) -> None:
    rows = make_rows(app, session, people)
    lists = [call for call in declared_calls(app).values() if call.is_list]
    assert len(lists) >= 11
    for call in lists:
        where = address(call.path, rows)
        whole = api.get(where)
        assert whole.content_type == "application/json"
        first, second, *_ = call.item_fields
        part = api.get(f"{where}?fields={first},{second}")
        assert (part.status_code, part.content_type) == (200, PARTIAL_LIST)
        assert part.json["results"] == [
            {key: value for key, value in result.items() if key in (first, second)}
            for result in whole.json["results"]
        ]
        _refuses(api, call, where)


def _refuses(api: FlaskClient, call: Call, where: str) -> None:
    for query, name, words in (
        (f"fields={call.item_fields[0]},nothing", "fields", "There is no “nothing” here. Known here: "),
        ("count=2", "count", "Choose one of: true, false."),
        ("nothing=1", "nothing", "“nothing” cannot be set."),
        ("ordering=nothing", "ordering", "Choose one of:" if call.query else "cannot be set"),
        ("limit=0", "limit", "from 1 to 200"),
    ):
        refused = api.get(f"{where}?{query}")
        assert refused.status_code == 400, (call.path, query)
        assert words in refused.json["errors"][name][0], (call.path, query)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_the_document_says_what_every_list_takes(app: Flask) -> None:
    document = document_of(app)
    for call in declared_calls(app).values():
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", call.path)
        operation = document["paths"].get(path, {}).get("get", {})
        if call.is_list:
            names = {parameter.get("name") for parameter in operation["parameters"]}
            assert names >= {"limit", "cursor", "fields", "count"}, call.path
            assert PARTIAL_LIST in operation["responses"]["200"]["content"]


@pytest.mark.both_databases
def test_runs_are_filtered_by_all_that_the_history_filters_by(
    api: FlaskClient, session: Session, people: People, sector: Sector
) -> None:
    rule = rule_of(session, people, "Shoes")
    plain = make_run(session, rule, "completed", timedelta(hours=1))
    dear = make_run(session, rule, "completed", timedelta(hours=2), credits_used=7, user_id=people.editor.id)
    long = make_run(session, rule, "completed", timedelta(hours=3), site_id=sector.site_id)
    assert long.started_at
    long.finished_at = long.started_at + timedelta(seconds=90)
    tried = make_run(session, rule, "skipped", timedelta(hours=4), reason="shadow")
    session.commit()
    ids = {"plain": plain.id, "dear": dear.id, "long": long.id, "tried": tried.id}
    for query, names in (
        ("cost_min=1", ["dear"]), ("cost_max=0", ["plain", "long", "tried"]), (f"actor={people.editor.id}", ["dear"]),
        (f"site={sector.site_id}", ["long"]), ("took_min=60", ["long"]), ("q=shoes&cost_min=7", ["dear"]),
        ("practised=true", ["tried"]), ("practised=false", ["plain", "dear", "long"]), (f"q={plain.id}", ["plain"]),
    ):  # fmt: skip
        assert walk(api, f"{RUNS}?{query}") == [ids[name] for name in names], query
        exported = api.get(f"{RUNS}export/?format=jsonl&{query}").text.splitlines()
        assert len(exported) == len(names), query


@pytest.mark.both_databases
def test_a_page_walked_while_runs_arrive_misses_none_and_repeats_none(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = rule_of(session, people)
    first = make_run(session, rule, "completed", timedelta(hours=1))
    session.commit()
    _arrive(session, rule, first, 120, timedelta(hours=-1))
    there = set(session.scalars(select(ScheduledTask.id)))
    for ordering in ("-scheduled_at", "scheduled_at"):
        found: list[int] = []
        cursor, arrived = "", 0
        while cursor is not None:
            page = api.get(f"{RUNS}?limit=20&ordering={ordering}&cursor={cursor}&fields=id").json
            found += [result["id"] for result in page["results"]]
            cursor = page["next"]
            if arrived < ARRIVING:
                _arrive(session, rule, first, ARRIVING // 5, timedelta())
                arrived += ARRIVING // 5
        assert arrived == ARRIVING
        assert len(found) == len(set(found))
        assert there <= set(found)


def _arrive(session: Session, rule: AutomationRule, like: ScheduledTask, number: int, ago: timedelta) -> None:
    """Runs of now, some of them planned for the same moment."""
    columns = [column for column in ScheduledTask.__table__.columns if column.name not in ("id", "start_id")]
    values = {column.name: getattr(like, column.key) for column in columns if hasattr(like, column.key)}
    start = session.scalar(select(func.max(ScheduledTask.id))) or 0
    now = datetime.now(UTC) + ago
    rows = [
        values
        | {
            "cause": "manual",
            "request_key": f"arrival-{start + index}",
            "scheduled_at": now + timedelta(seconds=(start + index) // 3 - start // 3),
        }
        for index in range(number)
    ]
    session.execute(insert(ScheduledTask), rows)
    session.commit()
