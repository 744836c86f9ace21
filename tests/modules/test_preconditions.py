"""If-Match is compared by every call that changes one resource, and by every read of one, as RFC 9110 says."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.notices import add_notice
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.operations.lifecycle import begin_operation
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.planner.models import Site
from app.business.writer.services.content_versions import keep_first_version
from app.infrastructure.secret_box import SecretBox
from app.modules.openapi.examples import BODIES
from app.settings import Settings
from tests.business.automation.actions.publishing_world import connect
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_incident,
    make_keyword,
    make_sector,
    make_site,
    make_task,
    make_webhook,
)
from tests.fuzz.world import fingerprint
from tests.infrastructure.wordpress_stand_in import WordPress
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, make_people, program_of
from tests.sampling import turn

WITHOUT_TAG = {
    "automation_api.explain_rule", "webhooks_api.test_webhook", "webhooks_api.resend_delivery",
    "wordpress_api.test_wordpress", "automation_api.list_versions", "automation_api.list_set_aside",
    "writer_api.list_content_versions", "writer_api.download_content",
}  # fmt: skip
"""Readings about a resource that are no representation of it (lists and files too), tests of what is connected, and a
message sent again, which is no resource of its own."""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(session: Session, people: People) -> dict[str, int]:
    """Collection -> id of a row in it."""
    sector = make_sector(session, make_site(session, people.account))
    content = make_content(session, sector)
    keep_first_version(session, content)
    made = {
        "sites": sector.site_id, "sectors": sector.id, "keywords": make_keyword(session, sector).id,
        "clusters": make_cluster(session, sector).id, "ideas": make_idea(session, sector).id,
        "tasks": make_task(session, sector).id, "content": content.id,
    }  # fmt: skip
    rule = make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    operation = begin_operation(
        session,
        account_id=people.account.id,
        kind="bulk_retry",
        params={"runs": []},
        user_id=None,
        sites=(),
        now=datetime.now(UTC),
    )
    run = make_run(session, rule, "failed", reason="action_failed")
    webhook = make_webhook(session, people.account)
    incident = make_incident(session, people.account)
    add_notice(
        session, account_id=people.account.id, level="info", title="Look", body="", now=datetime.now(UTC)
    )
    session.flush()
    notice = session.scalars(select(Notice.id)).first() or 0
    save_calendar(
        session,
        people.account,
        session.get_one(Site, sector.site_id),
        {"country": "US"},
        actor=AuditActor(),
        now=datetime.now(UTC),
    )
    connect(session, sector, WordPress(), SecretBox.of(Settings(secret_key="k" * 40)))
    change = RuleChange(
        account_id=people.account.id, rule_id=rule.id, base_version=1, kind="change",
        definition=definition_of(rule), proposed_by_id=people.editor.id, proposed_at=datetime.now(UTC),
    )  # fmt: skip
    session.add(change)
    session.commit()
    return made | {
        "rule-changes": change.id,
        "rules": rule.id,
        "scheduled-tasks": run.id,
        "operations": operation.id,
        "webhooks": webhook.id,
        "incidents": incident.id,
        "notices": notice,
    }


def calls(app: Flask, rows: dict[str, int]) -> list[tuple[str, str, str]]:
    """Method, address, and the address of the resource that it acts on."""
    found = []
    readable = {entry.rule for entry in app.url_map.iter_rules() if "GET" in (entry.methods or ())}
    for entry in app.url_map.iter_rules():
        if entry.rule.startswith("/api/") and "<int:id>" in entry.rule and entry.endpoint not in WITHOUT_TAG:
            base, _, action = entry.rule.partition("<int:id>")
            resource = f"{base}{rows[base.strip('/').rpartition('/')[2]]}"
            methods = sorted((entry.methods or set()) - {"OPTIONS"})
            address = f"{resource}{action.replace('<int:number>', '1')}"
            acted_on = address if entry.rule in readable else f"{resource}/"
            found += [(method, address, acted_on) for method in methods]
    return found


def test_a_stale_tag_stops_every_call(
    app: Flask, session: Session, people: People, rows: dict[str, int]
) -> None:
    api = program_of(app, session, people.owner)
    asked = calls(app, rows)
    assert len(asked) > 35
    for number, (method, address, resource) in enumerate(asked):
        present = api.get(resource).headers["ETag"]
        before = fingerprint(session)
        for header in ('"stale"', *turn(('"77", "stale"', f"W/{present}", '""'), number)):
            answer = send(api, method, address, header)
            assert answer.status_code == 412, (method, address, header, answer.text)
        assert fingerprint(session) == before, (method, address)


def test_the_present_tag_a_list_with_it_and_a_star_are_accepted_by_every_call(
    app: Flask, session: Session, people: People, rows: dict[str, int]
) -> None:
    api = program_of(app, session, people.owner)
    asked = sorted(calls(app, rows), key=lambda call: call[0] == "DELETE")
    for number, (method, address, resource) in enumerate(asked):
        for header in turn(("{}", '"stale", {}', "*"), number):
            present = api.get(resource)
            if present.status_code == 404 and method == "DELETE":
                continue
            answer = send(api, method, address, header.format(present.headers["ETag"]))
            assert answer.status_code != 412, (method, address, header)


def test_the_answer_of_an_action_has_the_tag_of_the_resource(
    app: Flask, session: Session, people: People, rows: dict[str, int]
) -> None:
    api = program_of(app, session, people.owner)
    run = f"/api/automation/scheduled-tasks/{rows['scheduled-tasks']}/"
    for action in ("retry", "cancel"):
        answer = api.post(f"{run}{action}/", headers={"If-Match": api.get(run).headers["ETag"]})
        assert answer.status_code in (200, 202), answer.text
        assert answer.headers["ETag"] == api.get(run).headers["ETag"]
    late = api.post(f"{run}retry/", headers={"If-Match": '"0"'})
    assert (late.status_code, late.json["current"]["id"]) == (412, rows["scheduled-tasks"])


def send(api: FlaskClient, method: str, address: str, header: str) -> Any:
    body = BODIES["replace_wordpress"] if address.endswith("/wordpress/") else {}
    json = body if method in ("POST", "PUT", "PATCH") else None
    return api.open(address, method=method, json=json, headers={"If-Match": header})
