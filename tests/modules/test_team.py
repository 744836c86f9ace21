"""Team, keys and settings pages."""

import re

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, ApiKey, AuditEntry, User
from app.business.billing.models import Plan
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    people = make_people(session)
    people.account.plan_id = None
    session.commit()
    return people


def test_a_new_person_comes_in_by_the_link_the_owner_passes_on(
    app: Flask, session: Session, people: People
) -> None:
    form = {"email": " New@Example.com ", "name": "Noor", "role": "operator"}
    answer = browser_of(app, session, people.owner).post("/team", data=form)
    found = re.search(r"http://127.0.0.1:8000(/welcome/[\w-]+)", answer.text)
    assert found
    newcomer = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', newcomer.get(found.group(1)).text)
    assert token
    used = newcomer.post(found.group(1), data={"csrf_token": token.group(1)})
    assert used.location == "/profile/password"
    assert "new@example.com, operator" in newcomer.get("/profile").text


def test_a_full_plan_says_so_in_place_of_the_form_and_nobody_switches_themselves_off(
    app: Flask, session: Session, people: People
) -> None:
    owner = browser_of(app, session, people.owner)
    assert "Add a person" in owner.get("/team").text
    plan = Plan(code="four", name="Four", members=4)
    session.add(plan)
    session.flush()
    people.account.plan_id = plan.id
    session.commit()
    page = owner.get("/team").text
    assert "Every place of the plan is taken" in page
    assert "Add a person" not in page
    assert f"/team/{people.editor.id}/off" in page
    assert f"/team/{people.owner.id}/off" not in page


def test_an_address_that_is_taken_is_refused_beside_its_field(
    app: Flask, session: Session, people: People
) -> None:
    form = {"email": people.stranger.email, "role": "viewer"}
    answer = browser_of(app, session, people.owner).post("/team", data=form)
    assert answer.status_code == 422
    assert "has a sign-in already" in answer.text


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("owner", "They may also take your own role away."),
        ("viewer", "change nothing"),
        ("editor", "spend credits"),
    ],
)
def test_another_role_shows_first_what_it_means(
    app: Flask, session: Session, people: People, role: str, sentence: str
) -> None:
    owner = browser_of(app, session, people.owner)
    address = f"/team/{people.operator.id}/role?role={role}"
    assert f'href="{address}"' in owner.get("/team").text
    page = owner.get(address).text
    assert sentence in page
    assert "signed out everywhere" in page
    session.expire_all()
    assert session.get_one(User, people.operator.id).role == "operator"
    assert owner.get(f"/team/{people.operator.id}/role?role=king").status_code == 422


def test_changes_of_the_team_are_recorded(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    owner.post(f"/team/{people.viewer.id}/role", data={"role": "editor"})
    owner.post(f"/team/{people.viewer.id}/off")
    session.expire_all()
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["user.role_changed", "user.switched_off"]
    assert entries[0].data == {"from": "viewer", "to": "editor"}
    assert entries[0].user_id == people.owner.id


def test_the_only_owner_cannot_be_removed(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    assert owner.post(f"/team/{people.owner.id}/off").status_code == 409
    answer = owner.post(f"/team/{people.owner.id}/role", data={"role": "viewer"})
    assert "only owner" in answer.text
    session.expire_all()
    assert session.get_one(User, people.owner.id).is_active


def test_a_key_is_shown_once_and_revoked_for_good(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    answer = owner.post("/api-keys", data={"name": "Nightly import"})
    found = re.search(r"igny8_[\w-]{43}", answer.text)
    assert found
    assert found.group() not in owner.get("/api-keys").text
    key = session.scalars(select(ApiKey)).one()
    assert key.key_hash not in answer.text
    owner.post(f"/api-keys/{key.id}/revoke")
    assert "Revoked" in owner.get("/api-keys").text


def test_owners_change_the_settings_others_read_them(app: Flask, session: Session, people: People) -> None:
    form = {
        "name": "Harbour",
        "timezone": "Europe/Berlin",
        "daily_ceiling": "200",
        "operator_credit_limit": "50",
    }
    assert browser_of(app, session, people.editor).post("/settings", data=form).status_code == 403
    assert browser_of(app, session, people.owner).post("/settings", data=form).status_code == 303
    session.expire_all()
    account = session.get_one(Account, people.account.id)
    assert (account.name, account.timezone, account.daily_ceiling) == ("Harbour", "Europe/Berlin", 200)
    assert "200" in browser_of(app, session, people.viewer).get("/settings").text


def test_minutes_saved_are_kept_where_they_are_not_the_usual(
    app: Flask, session: Session, people: People
) -> None:
    owner = browser_of(app, session, people.owner)
    assert re.search(r'name="minutes_content"[^>]*value="120"', owner.get("/settings").text)
    form = {"name": "Harbour", "timezone": "UTC", "operator_credit_limit": "0"}
    minutes = {"minutes_cluster": "5", "minutes_idea": "0", "minutes_task": "", "minutes_content": "90"}
    assert owner.post("/settings", data=form | minutes).status_code == 303
    session.expire_all()
    assert session.get_one(Account, people.account.id).minutes_saved == {"idea": 0, "content": 90}
    refused = owner.post("/settings", data=form | {"minutes_content": "20000"})
    assert refused.status_code == 422
    assert "Enter a number from 0 to 10,000." in refused.text
    assert (
        "0 for an idea, 5 for a task, 90 for an article"
        in browser_of(app, session, people.viewer).get("/settings").text
    )


def test_a_ceiling_of_zero_is_a_ceiling(app: Flask, session: Session, people: People) -> None:
    form = {"name": "Harbour", "timezone": "UTC", "daily_ceiling": "0", "operator_credit_limit": "0"}
    assert browser_of(app, session, people.owner).post("/settings", data=form).status_code == 303
    session.expire_all()
    assert session.get_one(Account, people.account.id).daily_ceiling == 0


def test_people_choose_their_own_zone(app: Flask, session: Session, people: People) -> None:
    viewer = browser_of(app, session, people.viewer)
    assert re.search(r'id="timezone"[^>]*value="UTC"', viewer.get("/profile").text)
    viewer.post("/profile", data={"name": "Vera", "timezone": "Asia/Tokyo"})
    assert "Times in Asia/Tokyo" in viewer.get("/profile").text
