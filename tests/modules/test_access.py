"""Permissions: nothing is open by default, roles hold, sessions and keys end, only own paths are followed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import AccountStatus, ApiKey, Role, UserSession
from app.business.accounts.services import team
from app.infrastructure.database import reading
from app.modules.access import allow, own_path, permission_of
from tests.people import People, browser_of, make_people, program_of


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def test_every_address_declares_who_may_use_it(app: Flask) -> None:
    with app.app_context():
        assert [name for name in app.view_functions if permission_of(name) is None] == []


def test_a_view_that_declares_nothing_answers_nobody(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    forgotten = app.view_functions["accounts.team"]
    app.view_functions["accounts.team"] = lambda: "open"
    try:
        assert owner.get("/team").status_code == 403
    finally:
        app.view_functions["accounts.team"] = forgotten


def test_a_request_without_session_is_sent_to_sign_in_and_back(client: FlaskClient) -> None:
    answer = client.get("/credits?cursor=abc")
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=/credits?cursor%3Dabc")


def test_htmx_moves_the_whole_page_to_sign_in(client: FlaskClient) -> None:
    answer = client.get("/credits", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/sign-in")


@pytest.mark.parametrize(
    ("role", "code"), [("viewer", 403), ("operator", 403), ("editor", 403), ("owner", 200)]
)
def test_only_owners_see_the_team(app: Flask, session: Session, people: People, role: str, code: int) -> None:
    assert browser_of(app, session, getattr(people, role)).get("/team").status_code == code


def test_a_suspended_account_reads_but_changes_nothing(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    people.account.status = AccountStatus.SUSPENDED
    session.commit()
    assert owner.get("/team").status_code == 200
    refused = owner.post("/team", data={"email": "new@example.com", "role": "viewer"})
    assert refused.status_code == 403
    assert "suspended" in refused.text


def test_a_closed_account_is_signed_out(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    people.account.status = AccountStatus.CLOSED
    session.commit()
    assert owner.get("/team").status_code == 302


@pytest.mark.parametrize("past", [{"seen_at": timedelta(hours=12)}, {"created_at": timedelta(days=30)}])
def test_a_session_ends_when_idle_and_when_old(
    app: Flask, session: Session, people: People, past: dict[str, timedelta]
) -> None:
    viewer = browser_of(app, session, people.viewer)
    values = {name: datetime.now(UTC) - age for name, age in past.items()}
    session.execute(update(UserSession).values(**values))
    session.commit()
    assert viewer.get("/profile").status_code == 302


def test_use_keeps_a_session_alive(app: Flask, session: Session, people: People) -> None:
    viewer = browser_of(app, session, people.viewer)
    session.execute(update(UserSession).values(seen_at=datetime.now(UTC) - timedelta(hours=11)))
    session.commit()
    assert viewer.get("/profile").status_code == 200
    seen_at = session.query(UserSession.seen_at).scalar()
    assert datetime.now(UTC) - seen_at < timedelta(minutes=1)


def test_a_new_role_holds_at_once(app: Flask, session: Session, people: People) -> None:
    editor = browser_of(app, session, people.editor)
    team.change_role(session, people.editor, Role.VIEWER, datetime.now(UTC))
    session.commit()
    assert editor.get("/profile").status_code == 302


def test_another_accounts_row_and_no_row_read_the_same(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    # The page holds a token that is signed with the second.
    with time_machine.travel(datetime.now(UTC), tick=False):
        foreign = owner.post(f"/team/{people.stranger.id}/off")
        missing = owner.post("/team/987654321/off")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.data == missing.data
    session.refresh(people.stranger)
    assert people.stranger.is_active


def test_a_change_needs_the_token_of_its_own_session(app: Flask, session: Session, people: People) -> None:
    owner, other = browser_of(app, session, people.owner), browser_of(app, session, people.stranger)
    with other.session_transaction() as cookie:
        cookie["csrf_token"] = "another"
    other.environ_base["HTTP_X_CSRFTOKEN"] = owner.environ_base.pop("HTTP_X_CSRFTOKEN")
    assert owner.post("/api-keys", data={"name": "Import"}).status_code == 400
    assert other.post("/api-keys", data={"name": "Import"}).status_code == 400
    assert session.query(ApiKey).count() == 0


def test_a_form_that_came_too_late_shows_what_was_typed(app: Flask, session: Session, people: People) -> None:
    owner = browser_of(app, session, people.owner)
    del owner.environ_base["HTTP_X_CSRFTOKEN"]
    answer = owner.post("/team", data={"email": "typed@example.com", "password": "hidden-from-view"})
    assert "nothing was saved" in answer.text
    assert "typed@example.com" in answer.text
    assert "hidden-from-view" not in answer.text


def test_a_form_sent_after_the_session_ended_shows_what_was_typed(client: FlaskClient, app: Flask) -> None:
    answer = client.post("/profile", data={"name": "Typed for long"})
    assert answer.status_code == 401
    assert "Typed for long" in answer.text


def test_a_key_needs_no_token_and_opens_no_pages(app: Flask, session: Session, people: People) -> None:
    program = program_of(app, session, people.owner)
    assert program.get("/team").status_code == 302


def test_reading_takes_no_write_lock_and_ends_with_the_request(
    app: Flask, session: Session, people: People
) -> None:
    seen: list[bool] = []
    original = app.view_functions["accounts.profile"]
    app.view_functions["accounts.profile"] = allow(Role.VIEWER)(lambda: str(seen.append(reading.get())))
    try:
        viewer = browser_of(app, session, people.viewer)
        viewer.get("/profile")
    finally:
        app.view_functions["accounts.profile"] = original
    assert seen == [True]
    assert reading.get() is False


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https:evil", "https://evil.example", "/\\evil", "\\\\evil", "%2f%2fevil", "/%2fevil",
     "/\t/evil", "javascript:alert(1)", "/a\r\nLocation: x", "", None],
)  # fmt: skip
def test_foreign_targets_lead_to_the_dashboard(target: Any) -> None:
    assert own_path(target) == "/"


def test_own_targets_are_followed() -> None:
    assert own_path("/rules/7?tab=runs&q=a%20b") == "/rules/7?tab=runs&q=a%20b"


def test_wrong_keys_are_throttled_and_a_right_key_is_not(
    app: Flask, session: Session, people: People
) -> None:
    right, wrong = program_of(app, session, people.owner), app.test_client()
    asked = {"path": "/api/billing/credits/", "headers": {"Authorization": "Bearer igny8_no-such-key"}}
    codes = [wrong.get(**asked).status_code for _ in range(31)]
    assert codes == [401] * 30 + [429]
    assert int(wrong.get(**asked).headers["Retry-After"]) > 0
    assert right.get("/api/billing/credits/").status_code == 200


def test_every_refusal_is_logged(
    app: Flask, session: Session, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    viewer, nobody = browser_of(app, session, people.viewer), app.test_client()
    viewer.get("/team")
    nobody.get("/api/billing/credits/", headers={"Authorization": "Bearer igny8_secret-of-somebody"})
    browser_of(app, session, people.owner).post("/team", headers={"X-CSRFToken": "forged"})
    lines = [record.getMessage() for record in caplog.records]
    for said in (
        f"refused, not allowed: GET /team, user {people.viewer.id} from 127.0.0.1",
        "refused, wrong key: GET /api/billing/credits/, nobody signed in from 127.0.0.1",
        f"refused, token missing or wrong: POST /team, user {people.owner.id}",
    ):
        assert any(line.startswith(said) for line in lines), said
    assert not any("secret-of-somebody" in line or "forged" in line for line in lines)
