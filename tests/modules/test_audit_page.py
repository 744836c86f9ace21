"""The audit page: who changed what, in words, with what differs; filters, and the same as a file."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import ROOT
from app.business.accounts.models import AuditEntry
from app.business.accounts.services import api_keys, audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.triggering import calendar_service
from app.business.outlets.services.webhooks import EVENTS as EVENTS
from app.modules.automation.labels.audit import ACTIONS, KINDS, OF_RECORDS
from tests.factories import make_account, make_site
from tests.modules.automation_pages import make_rule
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
PARTS = "|".join(sorted({action.partition(".")[0] for action in ACTIONS}))


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.owner)


def lines(page: str) -> list[str]:
    """The rows as text."""
    rows = re.findall(r"<tr.*?</tr>", page.partition("<tbody")[2].partition("</tbody>")[0], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


@pytest.mark.usefixtures("app")
def test_every_action_of_the_log_has_words_and_a_kind() -> None:
    written = {
        action
        for path in (ROOT / "app").rglob("*.py")
        if "demo" not in path.parts
        if "audit_log" in (text := Path(path).read_text())
        for action in re.findall(rf'"((?:{PARTS})\.[a-z_]+)"', text)
        if not re.search(rf'(?:url_for|Entry)\(\s*"{re.escape(action)}"', text)
    }
    assert len(written) > 35
    assert written - set(EVENTS) <= ACTIONS.keys()
    assert all(words for words in (*ACTIONS.values(), *OF_RECORDS.values()))
    tables = [table for _, tables in KINDS.values() for table in tables]
    assert len(tables) == len(set(tables))


def test_changes_of_rules_people_keys_settings_sites_and_webhooks_show_what_differs(
    app: Flask, session: Session, people: People, owner: FlaskClient
) -> None:
    now, site = datetime.now(UTC), make_site(session, people.account, name="Boots")
    rule = make_rule(session, people.account)
    AutomationService().update_rule(
        session, rule, {"name": "Later", "max_executions_per_day": 3}, Actor(people.editor.id), now
    )
    key, _ = api_keys.issue(session, people.owner, "Import", now)
    api_keys.change(
        session, key, "Import", api_keys.KeyLimits(site_ids=[site.id]), AuditActor(people.owner.id), now
    )
    session.commit()
    owner.post(
        "/settings", data={"name": people.account.name, "timezone": "UTC", "operator_credit_limit": "250"}
    )
    owner.post(f"/team/{people.viewer.id}/sites", data={"sees": "some", "site_ids": site.id})
    owner.post(f"/team/{people.viewer.id}/role", data={"role": "operator"})
    api = program_of(app, session, people.owner)
    assert api.patch(f"/api/planner/sites/{site.id}/", json={"monthly_budget": 40}).status_code == 200
    hook = owner.post(
        "/webhooks/new", data={"name": "Chat", "url": "https://chat.example/in", "events": "run.failed"}
    )
    assert hook.status_code < 400
    said = "\n".join(lines(owner.get("/audit").text))
    for words in (
        "Name: Numbers → Later" if "Numbers" in said else "→ Later",
        "the key “Import”", "Sites: All → Boots", "Largest run an operator may start: 100 → 250",
        f"changed the sites of {people.viewer.email}", "Role: viewer → operator",
        "by the key “Program” changed the site “Boots”", "Monthly budget, added: 40",
    ):  # fmt: skip
        assert words in said, words


def test_filters_by_person_kind_record_and_day_and_the_file_says_the_same(
    app: Flask, session: Session, people: People, owner: FlaskClient
) -> None:
    now, site = datetime.now(UTC), make_site(session, people.account, name="Boots")
    other = make_site(session, people.account, name="Tents")
    for at, actor, action, row in (
        (now - timedelta(days=40), AuditActor(people.editor.id), "site.changed", site),
        (now, AuditActor(people.owner.id), "site.changed", site),
        (now, AuditActor(people.editor.id), "site.made", other),
        (now, AuditActor(), "user.second_factor_off", people.viewer),
    ):
        audit_log.record(session, people.account.id, actor, action, row, None, at)
    stranger = make_account(session)
    audit_log.record(session, stranger.id, AuditActor(), "site.made", make_site(session, stranger), None, now)
    session.commit()
    day = (now - timedelta(days=7)).date().isoformat()
    for query, expected in (
        ("", 4),
        (f"who={people.editor.id}", 2),
        (f"who={people.editor.id}&start={day}", 1),
        (f"end={day}", 1),
        ("kind=sites", 3),
        ("kind=people", 1),
        (f"record=site:{site.id}", 2),
        ("who=nobody", 1),
        ("record=site:999", 0),
        ("record=nonsense:1&kind=made-up&start=31", 4),
    ):
        page = owner.get(f"/audit?{query}").text
        assert len(lines(page)) == expected, query
        if expected:
            link = re.search(r'href="(/api/accounts/audit/export/[^"]*format=csv[^"]*)"', page)
            assert link, query
            file = owner.get(link[1].replace("&amp;", "&")).text
            assert len(file.strip().splitlines()) == expected + 1, query
    assert "No change fits" in owner.get("/audit?record=site:999").text
    api = program_of(app, session, people.owner)
    found = api.get("/api/accounts/audit/?subject_type=site&subject_type=user").json["results"]
    assert len(found) == 4


def test_rows_that_are_gone_and_values_of_any_kind_are_shown(
    session: Session, people: People, owner: FlaskClient
) -> None:
    now = datetime.now(UTC)
    odd = {
        "working_hours": "often",
        "pauses": [{"days": 3}],
        "country": ["DE"],
        "from_": "<b>",
        "minutes_saved": {"idea": 5},
        "events": [],
        "is_active": True,
        "url": "x" * 500,
    }
    for kind in ("webhook", "scheduled_task", "nothing_known", "incoming_address"):
        session.add(
            AuditEntry(
                account_id=people.account.id, user_id=people.owner.id, action=f"{kind}.odd_thing", subject_type=kind,
                subject_id=987654, data=odd | {"rows": None}, created_at=now,
            )
        )  # fmt: skip
    session.commit()
    page = owner.get("/audit")
    assert page.status_code == 200
    assert len(lines(page.text)) == 4
    assert "odd thing the webhook “" in page.text
    assert "<b>" not in page.text
    assert "idea 5" in page.text
    assert "often" in page.text
    assert "days 3" in page.text


def test_calendars_and_connections_are_named_by_their_site_and_in_words(
    session: Session, people: People, owner: FlaskClient
) -> None:
    now, site = datetime.now(UTC), make_site(session, people.account, name="Boots")
    pause = {"name": "Outing", "starts_on": "2026-12-24", "ends_on": "2027-01-02", "yearly": True}
    days = [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(1, 6)]
    said = {"working_hours": {"from": None, "to": days}, "pauses": {"from": None, "to": [pause]},
            "country": {"from": "FR", "to": "DE"}, "region": {"from": "IDF", "to": "BY"}}  # fmt: skip
    for kind, action, data in (
        ("site_calendar", "calendar.changed", said | {"site_id": site.id}),
        ("site_calendar", "calendar.removed", None),
        ("wordpress_connection", "wordpress.connected", {"site_id": site.id}),
    ):
        session.add(
            AuditEntry(
                account_id=people.account.id, user_id=people.owner.id, action=action, subject_type=kind,
                subject_id=7, data=data, created_at=now,
            )
        )  # fmt: skip
    session.commit()
    shown = "\n".join(lines(owner.get("/audit").text))
    for words in (
        "changed the calendar of “Boots”", "Working hours, added: Open Monday to Friday 09:00 to 17:00",
        "Pauses, added: Outing, 24 Dec 2026 to 2 Jan 2027, every year", "Public holidays of: France → Germany",
        "Region: IDF → Bayern",
        "removed the calendar of the account", "connected the WordPress of “Boots”",
    ):  # fmt: skip
        assert words in shown, words
    assert "{" not in shown


def test_a_region_is_named_by_its_country_also_where_only_the_region_changed(
    session: Session, people: People, owner: FlaskClient
) -> None:
    site, now = make_site(session, people.account), datetime.now(UTC)
    for region in ("BY", "BE", None):
        data = {"working_hours": [{"weekday": 1}], "country": "DE", "region": region}
        calendar_service.save_calendar(
            session, people.account, site, data, actor=Actor(people.owner.id), now=now
        )
    session.commit()
    shown = "\n".join(lines(owner.get("/audit").text))
    assert "Public holidays of: Germany Region: Bayern → Berlin" in shown
    assert "Region, removed: Berlin" in shown
    assert "Region, added: Bayern" in shown
