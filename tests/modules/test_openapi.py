"""The API document: true to the calls, valid, and readable as pages."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy.orm import Session

from app.business.planner.models import Keyword, Sector
from app.modules.api.declaration import Media, declared_calls
from app.modules.api.resource import PARTIAL_LIST
from app.modules.openapi import reading
from app.modules.openapi.document import openapi_document
from app.modules.openapi.examples import BODIES
from app.modules.openapi.parameter_words import OF_PATHS, OF_QUERIES
from app.modules.openapi.problems import PROBLEM_CODES
from tests.factories import make_cluster, make_keyword
from tests.modules.permissions import address, make_rows
from tests.people import People, browser_of, make_people, program_of

FILE = Path(__file__).parent.parent / "data" / "openapi.json"
NAMED = {
    "site": "site",
    "sector": "sector",
    "cluster": "cluster",
    "idea": "idea",
    "task": "task",
    "record_id": "keyword",
}


@pytest.fixture(scope="module")
def document(kept_apps: Callable[[str], Flask], sqlite_url: str) -> dict[str, Any]:
    return openapi_document(kept_apps(sqlite_url))


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def test_a_change_of_the_api_is_seen(document: dict[str, Any]) -> None:
    """After a wanted change: `flask --app wsgi openapi > tests/data/openapi.json`."""
    assert document == json.loads(FILE.read_text())


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()  # type: ignore[arg-type]


def test_every_call_is_described(document: dict[str, Any], app: Flask) -> None:
    calls = declared_calls(app)
    described = reading.operations(document)
    assert len(described) == len(calls)
    assert len({call.name for call in described}) == len(calls)
    for call in described:
        assert call.said["summary"], call.name
        assert call.area != "document" or call.name == "get_document", call.name
        assert (call.name in BODIES) == (reading.media_type(call) == "application/json"), call.name


def test_every_parameter_says_what_it_means_and_no_words_are_left_over(document: dict[str, Any]) -> None:
    found = [
        (call.name, parameter["name"], parameter["description"])
        for call in reading.operations(document)
        for parameter in call.said.get("parameters", ())
        if "$ref" not in parameter
    ]
    assert [name for call, name, words in found if not words.endswith(".")] == []
    assert {*OF_PATHS, *OF_QUERIES} <= {name for _, name, _ in found}


def test_no_schema_has_a_list_of_its_own_name(document: dict[str, Any]) -> None:
    """Generators of clients name a variable after the class, beside one for each field."""
    for name, schema in document["components"]["schemas"].items():
        variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        field = schema.get("properties", {}).get(variable, {})
        assert field.get("type") != "array", name


def test_every_code_of_an_error_is_explained(document: dict[str, Any]) -> None:
    said = " ".join(
        answer["description"]
        for call in reading.operations(document)
        for answer in call.said["responses"].values()
    )
    assert {*re.findall(r"`([a-z_]+)`", said)} <= PROBLEM_CODES.keys()


def test_every_answer_that_is_no_json_says_its_type(document: dict[str, Any], app: Flask) -> None:
    for call in declared_calls(app).values():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", call.path)
        said = document["paths"][path][call.method.lower()]["responses"]
        for status, answer in call.answers.items():
            content = said[str(status)].get("content", {})
            expected = [] if answer is None else ["application/json"]
            if isinstance(answer, Media):
                expected = [answer.type, *answer.others]
            if call.is_list:
                expected.append(PARTIAL_LIST)
            assert [*content] == expected, call.path


NOT_FOR_KEYS = {"send_back_rule_change"}
"""Calls for whoever is signed in alone."""


def test_examples_work(app: Flask, session: Session, people: People) -> None:
    ids = make_rows(app, session, people)
    lists, tomorrow = _rows_for_lists(session, ids), (datetime.now(UTC) + timedelta(days=1)).isoformat()
    program = program_of(app, session, people.owner)
    for entry in app.url_map.iter_rules():
        call = declared_calls(app).get(entry.endpoint)
        if call is None or call.name not in BODIES or call.permission.has_proof:
            continue
        here = lists | {key: int(ids[row]) for key, row in NAMED.items()} | {"publish_at": tomorrow}
        body = {key: here.get(key, value) for key, value in BODIES[call.name].items()}
        answer = program.open(address(entry.rule, ids), method=call.method, json=body)
        refused = {403} if call.name in NOT_FOR_KEYS else {409}
        assert answer.status_code < 300 or answer.status_code in refused, (call.name, answer.get_json())


def _rows_for_lists(session: Session, ids: dict[str, str]) -> dict[str, list[int]]:
    """Rows that bodies name by several ids: another cluster, and one of two keywords in a cluster."""
    sector = session.get_one(Sector, int(ids["sector"]))
    other = make_cluster(session, sector, name="Another")
    make_keyword(session, sector, text="stays", cluster_id=int(ids["cluster"]), status="clustered")
    keyword = session.get_one(Keyword, int(ids["keyword"]))
    keyword.cluster_id, keyword.status = int(ids["cluster"]), "clustered"
    session.commit()
    return {"clusters": [other.id], "keywords": [keyword.id], "ids": [keyword.id]}


def test_a_program_reads_the_document(app: Flask, session: Session, people: People) -> None:
    answer = program_of(app, session, people.viewer).get("/api/openapi.json")
    assert answer.get_json() == openapi_document(app)
    refused = app.test_client().get("/api/openapi.json")
    assert (refused.status_code, refused.get_json()["code"]) == (401, "unauthorized")


def test_pages_of_the_reference(app: Flask, session: Session, people: People) -> None:
    browser = browser_of(app, session, people.viewer)
    assert "/api/docs/retry_run" in browser.get("/api/docs").text
    found = browser.get("/api/docs?text=retry").text
    assert "/api/docs/retry_run" in found
    assert "/api/docs/create_site" not in found
    assert "No call has these words" in browser.get("/api/docs?text=nothing+like+it").text
    for call in reading.operations(openapi_document(app)):
        page = browser.get(f"/api/docs/{call.name}")
        assert page.status_code == 200, call.name
        assert call.path in page.text
    missing = browser.get("/api/docs/no_such_call")
    assert (missing.status_code, missing.mimetype) == (404, "text/html")
    assert "/sign-in" in app.test_client().get("/api/docs").location


def test_the_tree_of_conditions_and_triggers_are_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["RuleDefinition"]["properties"]["conditions"]["$ref"] == "#/components/schemas/Conditions"
    assert "schedule" in schemas["RuleDefinition"]["properties"]["trigger"]["enum"]
    assert "contains" in schemas["FieldCondition"]["properties"]["operator"]["enum"]
    assert "required" not in schemas["RuleDefinitionChanges"]
