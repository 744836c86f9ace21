"""Odd ids, numbers, JSON and If-Match are refused plainly, wherever they come in, and change nothing."""

import ast
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import IntegerConverter

from app.business.automation.models import AutomationRule
from app.modules.gate.json_text import Malformed, read_json
from app.modules.gate.numbers import row_id, whole_number
from app.modules.gate.preconditions import parse_if_match
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import make_rule
from tests.modules.automation_rest import RULES, RUNS, rule_body
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import share

pytestmark = pytest.mark.both_databases

ODD_NUMBERS = [
    "²",
    "١٢",
    "--5",
    "1_0",
    "+5",
    " 5",
    "1e3",
    "",
    "0x1",
    "5.0",
    "9" * 20,
    "1" + "0" * 400,
    "9" * 5000,
]
TOO_LARGE_IDS = [2**63, 10**30, 10**400, int("9" * 4000)]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    return make_rule(session, people.account)


@pytest.mark.parametrize("text", ODD_NUMBERS)
def test_only_plain_digits_are_a_number(text: str) -> None:
    assert row_id(text) is None
    assert whole_number(text, 1, 100) is None


def test_a_number_keeps_to_its_bounds() -> None:
    assert [whole_number(text, -5, 5) for text in ("-6", "-5", "05", "5", "6")] == [None, -5, 5, 5, None]
    assert row_id(str(2**63 - 1)) == 2**63 - 1


def test_an_id_in_an_address_beyond_any_row_is_like_a_missing_one(
    app: Flask, session: Session, people: People, api: FlaskClient
) -> None:
    browser = browser_of(app, session, people.owner)
    for position, found in enumerate(app.url_map.iter_rules()):
        ids = [
            name for name, converter in found._converters.items() if isinstance(converter, IntegerConverter)
        ]
        if not ids or "GET" not in (found.methods or ()):
            continue
        client = api if found.rule.startswith("/api/") else browser
        more = {name: "keyword" if name == "record_type" else "name" for name in found.arguments - {*ids}}
        answers = []
        for number in (987_654_321, *share(TOO_LARGE_IDS, position, 2)):
            with app.test_request_context():
                address = app.url_map.bind("").build(found.endpoint, more | dict.fromkeys(ids, 1))
            answers.append(
                client.get(address.replace("/1", f"/{number if number < 10**500 else '9' * 4000}"))
            )
        assert {answer.status_code for answer in answers} == {404}, found.rule
        if client is api:
            assert len({answer.data for answer in answers}) == 1, found.rule


@pytest.mark.parametrize("number", TOO_LARGE_IDS[:-1])
@pytest.mark.parametrize(
    "address",
    [f"{RUNS}?automation_rule=", f"{RULES}?site=", f"{RULES}export/?rule=", "/api/planner/keywords/?cluster=",
     f"{RULES}?limit=", "/api/automation/summary/?days=", "/api/planner/keywords/?assignee="],
)  # fmt: skip
def test_a_number_in_a_query_that_no_column_holds_is_refused(
    api: FlaskClient, address: str, number: int
) -> None:
    assert api.get(f"{address}{number}").status_code == 400


def test_odd_numbers_in_the_addresses_of_pages_break_none(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    browser = browser_of(app, session, people.owner)
    asked = (
        (f"/rules/{rule.id}/versions", "before"), (f"/rules/{rule.id}/run", "of_run"), ("/credits", "rule-1"),
        (f"/rules/{rule.id}/test", "record"), ("/ideas/new", "cluster"), ("/tasks/new", "idea"),
        ("/keywords", "cluster"), ("/keywords", "volume_from"), ("/keywords", "site"), ("/history", "rule"),
        ("/rules", "site"), ("/content", "task"), ("/rules/new", "x"),
    )  # fmt: skip
    for number in ODD_NUMBERS:
        queries = [
            *((address, {name: number}) for address, name in asked),
            ("/credits", {f"rule-{number}": "off"}),
        ]
        for address, query in share(queries, ODD_NUMBERS.index(number), 3):
            answer = browser.get(address, query_string=query)
            assert answer.status_code < 500, (address, query)


def test_a_form_keeps_an_odd_number_beside_its_field_and_saves_nothing(
    app: Flask, session: Session, people: People
) -> None:
    site = make_site(session, people.account, monthly_budget=7)
    keyword = make_keyword(session, make_sector(session, site), volume=5)
    session.commit()
    browser = browser_of(app, session, people.owner)
    for number in (text for text in ODD_NUMBERS if text.strip() not in ("", "5")):
        answer = browser.post(f"/sites/{site.id}/edit", data=_site(site, monthly_budget=number))
        assert answer.status_code == 422, number
        assert "Enter a whole number." in answer.text
        assert "Not a valid" not in answer.text
        answer = browser.post(f"/keywords/{keyword.id}/edit", data={"text": keyword.text, "volume": number})
        assert answer.status_code == 422, number
    for number in ("²", "nan", "inf", "1e400", "1_0", "1" * 401):
        answer = browser.post(
            f"/keywords/{keyword.id}/edit", data={"text": keyword.text, "difficulty": number}
        )
        assert answer.status_code == 422, number
    session.expire_all()
    assert (site.monthly_budget, keyword.volume, keyword.difficulty) == (7, 5, None)


def test_repeated_keys_are_found_in_linear_time() -> None:
    """126 kB of keys cost 3.7 seconds once."""
    names = [f'"{number:x}":0' for number in range(200_000)]
    begun = time.process_time()
    with pytest.raises(Malformed, match="“0” stands twice"):
        read_json(f"{{{','.join([*names, names[0]])}}}".encode())
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a":1,"b":2,"a":3}', "“a” stands twice"), ('[{"a":{"b":1,"b":1}}]', "“b” stands twice"),
        ("NaN", "not a JSON number"), ("-Infinity", "not a JSON number"), ("1e400", "too large"),
        (f"1{'0' * 400}", "too large"), ("9" * 100_000, "too large"), (f"-{'9' * 310}", "too large"),
        (f"{'[' * 70}{']' * 70}", "too deeply"), ("[" * 100_000, "too deeply"), ('{"a":' * 5000, "too deeply"),
        ("{", "not JSON"), ("", "not JSON"),
    ],
)  # fmt: skip
def test_ambiguous_json_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        read_json(text.encode())


def test_plain_json_is_read() -> None:
    value = {"a": [1, -2.5, 10**30, "²", None, True, {"b": {}}], "b": json.loads("[" * 60 + "]" * 60)}
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ["", " ", ",", "²", "1", "a", '"a', 'a"', '"a" "b"', '"a""b"', 'W"a"', 'w/"a"',
                                  '"a", b', '*, "a"', '"a", *', "**", '"a b"', '"' * 9000])  # fmt: skip
def test_a_broken_if_match_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_if_match(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [("*", True), ('"7"', True), (' "7" ', True), ('"6", "7"', True), ('"6","7",', True), (',, "7"', True),
     ('"6"', False), ('"²"', False), ('W/"7"', False), ('W/"7", "7"', True), ('""', False), ('"a,7"', False),
     ('"6,", "7"', True)],
)  # fmt: skip
def test_if_match_compares_as_the_standard_says(text: str, holds: bool) -> None:
    assert parse_if_match(text).holds("7") is holds


@pytest.mark.parametrize(
    ("header", "status"),
    [("²", 400), ("", 400), ('"²"', 412), ('"1', 400), ("1", 400), ('W/"1"', 412), ("*", 200), ('"9", "1"', 200),
     (f'"{"9" * 400}"', 412), ('"--1"', 412), ('"99", "98"', 412)],
)  # fmt: skip
def test_if_match_on_a_rule(api: FlaskClient, rule: AutomationRule, header: str, status: int) -> None:
    headers = {"If-Match": header}
    for method, address, body in (
        ("PATCH", f"{RULES}{rule.id}/", {"description": "changed"}),
        ("POST", f"{RULES}{rule.id}/disable/", None),
    ):
        answer = api.open(address, method=method, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 200:
            headers["If-Match"] = "*"
    shown = api.get(f"{RULES}{rule.id}/").json
    assert (shown["description"] == "changed", shown["is_active"]) == (status == 200, status != 200)


def test_a_broken_if_match_is_refused_where_it_decides_nothing(api: FlaskClient) -> None:
    for address in (RULES, RUNS, "/api/planner/sites/", "/api/billing/credits/"):
        assert api.get(address, headers={"If-Match": "1"}).status_code == 400


def test_numbers_of_any_size_in_a_body_are_refused(api: FlaskClient, people: People) -> None:
    body = rule_body(max_executions_per_day="N", is_active=False)
    fields = [name for name in api.post(RULES, json=rule_body(is_active=False)).json if name not in body]
    for number in ("1" + "0" * 400, str(10**30), "-" + "9" * 400, "1e400"):
        for field in ("max_executions_per_day", *fields):
            text = json.dumps(rule_body(is_active=False) | {field: "N"}).replace('"N"', number)
            answer = api.post(RULES, data=text, content_type="application/json")
            assert answer.status_code in (400, 422), (field, number, answer.text)
    assert len(api.get(RULES).json["results"]) == 1


def test_nothing_is_committed_before_the_answer_can_be_made() -> None:
    """After a commit a view only says where to go: what it shows has been made before."""
    late = []
    for path in Path("app/modules").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
                late += [
                    f"{path}:{line}" for line in _shown_after_commit(body if isinstance(body, list) else [])
                ]
    assert late == []


COMMIT = re.compile(r".*session(\(\))?\.commit\(\)")
SHOWS = re.compile(r"\b(answer|jsonify|render_template|_?show\w*|_page)\(")


def _shown_after_commit(statements: list[ast.stmt]) -> list[int]:
    rest = iter(statements)
    committed = any(isinstance(said, ast.Expr) and COMMIT.fullmatch(ast.unparse(said)) for said in rest)
    return [said.lineno for said in rest if SHOWS.search(ast.unparse(said))] if committed else []


def _site(site: Any, **changes: Any) -> dict[str, Any]:
    return {"name": site.name, "url": site.url, "language": site.language, "status": site.status} | changes
