"""Exporting and importing rules: the pages and the REST API."""

from html import escape
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from tests.factories import make_site
from tests.modules.automation_pages import make_rule
from tests.modules.automation_rest import RULES
from tests.people import People, browser_of, make_people, program_of

TEXT = """
rules:
- name: From elsewhere
  trigger: keyword_added
  site: Their site
  actions:
  - type: update_records
    params: {labels_add: [seen]}
- name: Nightly clusters
  trigger: schedule
  schedule: {cron: 30 4 * * *, timezone: Europe/Berlin}
  conditions: {all: [{field: volume, operator: gte, value: 100}]}
  actions: [{type: cluster_keywords, params: {}}]
"""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def editor(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.editor)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


def rules(session: Session) -> dict[str, AutomationRule]:
    session.expire_all()
    return {rule.name: rule for rule in session.scalars(select(AutomationRule))}


def test_a_file_is_previewed_completed_and_imported(
    editor: FlaskClient, session: Session, people: People
) -> None:
    site = make_site(session, people.account, name="Our site")
    make_rule(session, people.account)
    looking = editor.post("/rules/import", data={"file": (BytesIO(TEXT.encode()), "rules.yaml")}).location
    page = editor.get(looking).text
    assert "There is no site “Their site” in this account." in page
    assert "Every day at 02:30 Europe/Berlin</del>" in page
    assert "Import 1 rule, switched off" in page
    chosen = f"{looking}?unknown=Their+site&take={site.id}"
    page = editor.get(chosen).text
    assert "When keywords are added on Our site: update the records" in page
    assert "Import 2 rules, switched off" in page
    assert set(rules(session)) == {"Nightly clusters"}
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    assert editor.post(chosen, data={"seen": seen}).location == "/rules?state=off"
    found = rules(session)
    assert found["From elsewhere"].site_id == site.id
    assert (found["Nightly clusters"].version, found["Nightly clusters"].is_active) == (2, False)
    assert editor.get(looking).status_code == 404, "the file is gone once it is taken"


def test_changes_since_the_preview_are_shown_again(
    editor: FlaskClient, session: Session, people: People
) -> None:
    looking = editor.post("/rules/import", data={"text": TEXT}).location
    seen = editor.get(looking).text.partition('name="seen" value="')[2].partition('"')[0]
    make_rule(session, people.account)
    assert editor.post(looking, data={"seen": seen}).location.startswith(looking)
    assert "Something changed since you looked" in editor.get(looking).text
    assert rules(session)["Nightly clusters"].version == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Choose a file"),
        ("rules: [", "Line 1"),
        ("rules: [&a x]", "Anchors"),
        ("hello", "no list “rules”"),
    ],
)
def test_text_that_is_no_file_of_rules_is_refused_and_kept(
    editor: FlaskClient, text: str, words: str
) -> None:
    answer = editor.post("/rules/import", data={"text": text})
    assert answer.status_code in (409, 422)
    assert words in answer.text
    assert escape(text) in answer.text


def test_a_large_or_unreadable_file_is_refused(editor: FlaskClient) -> None:
    large = editor.post("/rules/import", data={"file": (BytesIO(b"#" * 300_000), "rules.yaml")})
    assert large.status_code == 413
    binary = editor.post("/rules/import", data={"file": (BytesIO(b"\xff\xfe\x00"), "rules.yaml")})
    assert "not UTF-8 text" in binary.text


def test_rules_are_exported_alone_and_by_the_filter(
    editor: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    make_rule(session, people.account, name="Other", is_active=False)
    one = editor.get(f"/rules/{rule.id}/export")
    assert one.mimetype == "application/yaml"
    assert "attachment" in one.headers["Content-Disposition"]
    assert "name: Nightly clusters" in one.text
    assert "Other" not in one.text
    assert "Nightly" not in editor.get("/rules/export?state=off").text


def test_a_program_exports_previews_and_imports(api: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, priority=3)
    text = api.get(f"{RULES}export/?rule={rule.id}").text
    text = text.replace("priority: 3", "priority: 4")
    looked = api.post(f"{RULES}import/", json={"yaml": text})
    assert looked.status_code == 200
    (shown,) = looked.json["rules"]
    assert (looked.json["dry_run"], shown["state"], shown["id"]) == (True, "changed", rule.id)
    assert {"field": "Priority", "before": "3", "after": "4", "kind": "changed"} in shown["changes"]
    assert rules(session)["Nightly clusters"].version == 1
    taken = api.post(f"{RULES}import/", json={"yaml": text, "dry_run": False})
    assert (taken.status_code, taken.json["rules"][0]["state"]) == (200, "changed")
    assert rules(session)["Nightly clusters"].priority == 4


def test_a_program_imports_all_or_nothing(api: FlaskClient, session: Session, people: People) -> None:
    refused = api.post(f"{RULES}import/", json={"yaml": TEXT, "dry_run": False})
    assert refused.status_code == 422
    assert refused.json["errors"] == {"rules[0].site": ["There is no site “Their site” in this account."]}
    assert rules(session) == {}
    site = make_site(session, people.account)
    session.commit()
    body = {"yaml": TEXT, "dry_run": False, "sites": {"Their site": site.id}}
    taken = api.post(f"{RULES}import/", json=body)
    assert [rule["state"] for rule in taken.json["rules"]] == ["new", "new"]
    assert {rule["id"] for rule in taken.json["rules"]} == {rule.id for rule in rules(session).values()}


def test_a_broken_text_is_refused_by_its_key(api: FlaskClient) -> None:
    answer = api.post(f"{RULES}import/", json={"yaml": "rules: [!x y]"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["yaml"])


def test_permissions_of_transfers(app: Flask, session: Session, people: People, editor: FlaskClient) -> None:
    rule = make_rule(session, people.account)
    looking = editor.post("/rules/import", data={"text": TEXT}).location
    operator = browser_of(app, session, people.operator)
    for path in (f"/rules/{rule.id}/export", "/rules/export", "/rules/import", looking):
        assert operator.get(path).status_code == 403
    stranger = browser_of(app, session, people.stranger)
    assert stranger.get(f"/rules/{rule.id}/export").status_code == 404
    assert stranger.get(looking).status_code == 404
    assert "Nightly" not in stranger.get("/rules/export").text
    program = program_of(app, session, people.stranger)
    assert program.get(f"{RULES}export/?rule={rule.id}").status_code == 404
    assert (
        program_of(app, session, people.viewer).post(f"{RULES}import/", json={"yaml": TEXT}).status_code
        == 403
    )
