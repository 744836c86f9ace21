"""Incidents on pages and by the API: the list, one of them, muting, and the line on the dashboard."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.outlets.incident_models import Incident
from app.business.outlets.services import incidents
from tests.factories import NOW, make_incident, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people, program_of

API = "/api/automation/incidents/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def incident(session: Session, people: People) -> Incident:
    site = make_site(session, people.account, name="The blog")
    rule = make_rule(session, people.account, name="Write at night")
    run = make_run(session, rule, "failed")
    made = make_incident(session, people.account, rule_id=rule.id, run_id=run.id, site_id=site.id)
    made.fault = "unavailable"
    session.commit()
    return made


def test_the_api_names_everything_of_an_incident(
    app: Flask, session: Session, people: People, incident: Incident
) -> None:
    viewer, editor = (program_of(app, session, person) for person in (people.viewer, people.editor))
    (shown,) = viewer.get(API).json["results"]
    assert {
        "id",
        "cause",
        "status",
        "first_at",
        "last_at",
        "count",
        "rules",
        "sites",
        "advice",
    } <= shown.keys()
    assert (shown["cause"], shown["status"], shown["count"]) == ("ai:unavailable", "open", 1)
    assert (len(shown["rules"]), len(shown["sites"]), shown["muted_at"]) == (1, 1, None)
    assert viewer.get(f"{API}?status=recovered").json["results"] == []
    assert viewer.get(f"{API}{incident.id}/").json == shown
    assert viewer.post(f"{API}{incident.id}/mute/").status_code == 403
    muted = editor.post(f"{API}{incident.id}/mute/")
    assert (muted.status_code, muted.json["muted_at"] is None) == (200, False)
    assert editor.post(f"{API}{incident.id}/unmute/").json["muted_at"] is None
    incidents.recover(session, incident, NOW)
    session.commit()
    assert editor.post(f"{API}{incident.id}/mute/").status_code == 409


def test_who_can_do_nothing_is_told_who_does_it(
    app: Flask, session: Session, people: People, incident: Incident
) -> None:
    said = "Whoever runs rules in this account does it"
    assert said in browser_of(app, session, people.viewer).get(f"/incidents/{incident.id}").text
    assert said not in browser_of(app, session, people.operator).get(f"/incidents/{incident.id}").text
    incidents.recover(session, incident, NOW)
    session.commit()
    assert (
        "can be retried" not in browser_of(app, session, people.viewer).get(f"/incidents/{incident.id}").text
    )


def test_pages_say_what_failed_what_it_touched_and_what_to_do(
    app: Flask, session: Session, people: People, incident: Incident
) -> None:
    browser = browser_of(app, session, people.editor)
    assert "The AI service does not answer" in browser.get("/incidents").text
    page = browser.get(f"/incidents/{incident.id}").text
    for said in ("The AI service does not answer", "Write at night", "The blog", "No answer.", "What to do"):
        assert said in page
    assert "The AI service does not answer" in browser.get("/").text
    assert browser.post(f"/incidents/{incident.id}/mute").status_code == 303
    assert "The AI service does not answer" not in browser.get("/").text
    assert "by " + people.editor.name in browser.get(f"/incidents/{incident.id}").text
    assert browser.post(f"/incidents/{incident.id}/unmute").status_code == 303
    assert "The AI service does not answer" in browser.get("/").text
    incidents.recover(session, incident, NOW)
    session.commit()
    assert "It is over" in browser.get(f"/incidents/{incident.id}").text
    assert f"/incidents/{incident.id}" in browser.get("/notices").text
