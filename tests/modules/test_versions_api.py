"""The versions of rules and articles over REST: what each changed, and going back."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.events import Origin
from app.business.planner.models import Sector
from app.business.writer.models import Content
from app.business.writer.services.content_edit import update_content
from tests.factories import NOW, make_content, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.modules.automation_rest import RULES, rule_body
from tests.modules.rule_changes import VOLUME, change
from tests.people import People, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


def pages_of(api: FlaskClient, path: str, limit: int = 2) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{path}?limit={limit}&cursor={cursor}").json
        found += page["results"]
        cursor = page["next"]
    return found


@pytest.mark.both_databases
def test_versions_say_who_changed_what_page_by_page(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, conditions=VOLUME)
    change(session, rule, None, name="Third")
    third, second, first = pages_of(api, f"{RULES}{rule.id}/versions/")
    assert [entry["version"] for entry in (third, second, first)] == [3, 2, 1]
    assert third["changes"] == [
        {"field": "Name", "before": "Nightly clusters", "after": "Third", "kind": "changed"}
    ]
    (changed,) = second["changes"]
    assert (changed["before"], changed["after"]) == ("volume is at least 100", "volume is at least 800")
    assert (second["user"], second["user_name"]) == (people.editor.id, people.editor.name)
    assert (third["user"], third["user_name"], first["changes"]) == (None, None, [])
    assert api.get(f"{RULES}{rule.id}/versions/?count=true").json["count"] == 3


def test_a_version_says_what_it_said_and_what_has_changed_since(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, name="Second")
    change(session, rule, people.editor.id, name="Third")
    version = api.get(f"{RULES}{rule.id}/versions/2/").json
    assert version["definition"]["name"] == "Second"
    assert version["summary"] == api.get(f"{RULES}{rule.id}/").json["summary"]
    assert [entry["after"] for entry in version["changes"]] == ["Second"]
    assert [entry["after"] for entry in version["changes_since"]] == ["Third"]
    assert version["errors"] == {}
    assert api.get(f"{RULES}{rule.id}/versions/4/").status_code == 404


def test_what_a_version_said_can_be_sent_back_by_put(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, people.editor.id, conditions=VOLUME, priority=1)
    said = api.get(f"{RULES}{rule.id}/versions/1/").json["definition"]
    assert api.put(f"{RULES}{rule.id}/", json=said).status_code == 200
    assert api.get(f"{RULES}{rule.id}/versions/1/").json["changes_since"] == []


@pytest.mark.both_databases
def test_going_back_is_a_new_version_and_leaves_the_switch(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    change(session, rule, None, name="Second", is_active=False)
    path = f"{RULES}{rule.id}/versions/1/restore/"
    stale = api.post(path, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json["current"]["name"]) == (412, "Second")
    key = {"If-Match": '"2"', "Idempotency-Key": "once"}
    answers = [api.post(path, headers=key) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert (answer.json["name"], answer.json["version"]) == ("Nightly clusters", 3)
        assert answer.json["is_active"] is False
        assert answer.headers["ETag"] == '"3"'
    assert api.get(f"{RULES}{rule.id}/").json["version"] == 3


def test_a_version_that_cannot_be_restored_says_why(
    api: FlaskClient, session: Session, people: People
) -> None:
    sector = make_sector(session, make_site(session, people.account, name="Acme"))
    rule = make_rule(session, people.account, site=sector.site_id, sector=sector.id)
    change(session, rule, None, sector=None)
    session.execute(delete(Sector).where(Sector.id == sector.id))
    session.commit()
    sentences = [f"Sector {sector.id} was not found."]
    assert api.get(f"{RULES}{rule.id}/versions/1/").json["errors"] == {"sector": sentences}
    refused = api.post(f"{RULES}{rule.id}/versions/1/restore/")
    assert (refused.status_code, refused.json["errors"]) == (422, {"sector": sentences})


def test_a_version_that_could_never_work_is_refused_while_the_rule_is_on(api: FlaskClient) -> None:
    """Restoring is checked before it is saved, as PUT is."""
    never = {
        "conditions": {
            "all": [
                {"field": "volume", "operator": "gt", "value": 9},
                {"field": "volume", "operator": "lt", "value": 3},
            ]
        }
    }
    made = api.post(RULES, json=rule_body(**never, is_active=False)).json
    path = f"{RULES}{made['id']}/"
    assert api.patch(path, json={"conditions": VOLUME}).status_code == 200
    assert api.post(f"{path}enable/").status_code == 200
    put = api.put(path, json=rule_body(**never))
    restored = api.post(f"{path}versions/1/restore/")
    assert (put.status_code, restored.status_code) == (409, 409), (put.text, restored.text)
    assert put.json["errors"] == restored.json["errors"] != {}


def test_an_archived_rule_comes_back_switched_off_and_only_then_its_versions(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    assert api.delete(f"{RULES}{rule.id}/").status_code == 204
    assert api.post(f"{RULES}{rule.id}/versions/1/restore/").status_code == 409
    back = api.post(f"{RULES}{rule.id}/restore/")
    assert (back.status_code, back.json["archived_at"], back.json["is_active"]) == (200, None, False)


@pytest.mark.both_databases
def test_records_set_aside_are_listed_and_given_back(
    api: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    run = make_run(session, rule, "failed")
    for record, state in ((1, "set_aside"), (2, "handled"), (3, "set_aside"), (4, "set_aside")):
        session.add(
            RuleRecord(
                account_id=rule.account_id, rule_id=rule.id, record_type="keyword", record_id=record,
                state=state, run_id=run.id, failures=3, updated_at=NOW,
            )
        )  # fmt: skip
    session.commit()
    aside = pages_of(api, f"{RULES}{rule.id}/set-aside/")
    assert [(entry["record_type"], entry["record_id"], entry["run"]) for entry in aside] == [
        ("keyword", record, run.id) for record in (4, 3, 1)
    ]
    assert api.post(f"{RULES}{rule.id}/give-back/").json == {"records": 3}
    assert pages_of(api, f"{RULES}{rule.id}/set-aside/") == []
    assert set(session.scalars(select(RuleRecord.failures).where(RuleRecord.record_id != 2))) == {0}


def article(session: Session, people: People) -> Content:
    """An article of two versions."""
    content = make_content(
        session, make_sector(session, make_site(session, people.account)), html="<p>One</p>"
    )
    origin = Origin(people.account.id, user_id=people.editor.id)
    update_content(session, content, {"html": "<p>One more</p>"}, origin=origin, now=NOW)
    session.commit()
    return content


@pytest.mark.both_databases
def test_the_texts_of_an_article_are_compared_and_restored(
    api: FlaskClient, session: Session, people: People
) -> None:
    content = article(session, people)
    path = f"/api/writer/content/{content.id}/versions/"
    newer, older = pages_of(api, path, limit=1)
    assert (newer["user_name"], older["user"], older["run"]) == (people.editor.name, None, None)
    whole = api.get(f"{path}{newer['number']}/").json
    assert whole["html"] == "<p>One more</p>"
    assert {"kind": "added", "text": "more"} in [
        {"kind": part["kind"], "text": part["text"].strip()} for part in whole["compared"]
    ]
    restore = f"{path}{older['number']}/restore/"
    assert api.post(restore, headers={"If-Match": '"1"'}).status_code == 412
    back = api.post(restore, headers={"If-Match": f'"{content.version}"'})
    assert (back.status_code, back.json["html"]) == (200, "<p>One</p>")
    assert len(pages_of(api, path)) == 3


@pytest.mark.parametrize(
    ("kind", "start"), [("docx", b"PK"), ("md", b"---\ntitle"), ("html", b"<!doctype html>")]
)
def test_an_article_is_downloaded_by_a_program(
    api: FlaskClient, session: Session, people: People, kind: str, start: bytes
) -> None:
    content = article(session, people)
    answer = api.get(f"/api/writer/content/{content.id}/file/?format={kind}")
    assert answer.status_code == 200
    assert answer.data.startswith(start)
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert api.get(f"/api/writer/content/{content.id}/file/?format=pdf").status_code == 400


def test_what_the_checks_found_is_shown_and_found_again(
    api: FlaskClient, session: Session, people: People
) -> None:
    content = article(session, people)
    path = f"/api/writer/content/{content.id}/checks/"
    checked = api.post(path)
    assert checked.status_code == 200, checked.text
    assert checked.json["score"] == 100 - sum(found["points"] for found in checked.json["checks"])
    failed = [found["check"] for found in checked.json["checks"] if found["points"]]
    assert failed == api.get(f"/api/writer/content/{content.id}/").json["checks_failed"]
    assert api.get(path).json == checked.json
