"""Every refusal leaves one line: why, who, from where. Never what was typed, and no secret."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import NOW, make_sector, make_site
from tests.people import People, browser_of, make_people, program_of

TYPED = "typed-by-somebody"
SITE = {"name": TYPED, "language": "en", "status": "active"}


class Callers:
    """Browsers and programs of the account, and an unknown caller."""

    def __init__(self, app: Flask, session: Session) -> None:
        self.people: People = make_people(session)
        self.owner = browser_of(app, session, self.people.owner)
        self.viewer = browser_of(app, session, self.people.viewer)
        self.program = program_of(app, session, self.people.owner)
        self.nobody: FlaskClient = app.test_client()
        sector = make_sector(session, make_site(session, self.people.account))
        run = make_run(session, make_rule(session, self.people.account), NOW, Status.COMPLETED)
        session.commit()
        self.site = f"/api/planner/sites/{sector.site_id}/"
        self.run = f"/api/automation/scheduled-tasks/{run.id}/"

    @staticmethod
    def token(browser: FlaskClient) -> str:
        """The token of the session that the sign-in page creates."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/sign-in").text)
        assert found
        return found.group(1)


REFUSALS: dict[str, tuple[Callable[[Callers], Any], int, str]] = {
    "role": (
        lambda c: c.viewer.get("/team"), 403,
        "not allowed: GET /team, user {viewer} from 127.0.0.1, This is open",
    ),
    "forged form": (
        lambda c: c.owner.post("/team", headers={"X-CSRFToken": TYPED}, data={"email": TYPED}), 400,
        "token missing or wrong: POST /team, user {owner} from 127.0.0.1"),
    "session that ended": (
        lambda c: c.nobody.post("/profile", data={"name": TYPED}), 401,
        "not signed in: POST /profile, nobody signed in"),
    "wrong key": (
        lambda c: c.nobody.get("/api/billing/credits/", headers={"Authorization": f"Bearer {TYPED}"}), 401,
        "wrong key: GET /api/billing/credits/, nobody signed in from 127.0.0.1"),
    "wrong password": (
        lambda c: c.nobody.post("/sign-in", data={"email": TYPED, "password": TYPED},
                                headers={"X-CSRFToken": c.token(c.nobody)}), 422,
        "wrong password: POST /sign-in, nobody signed in from 127.0.0.1, of nobody we know"),
    "forged link": (
        lambda c: c.nobody.post(f"/welcome/{TYPED}"), 400,
        "token missing or wrong: POST /welcome/<token>, nobody signed in"),
    "unknown host": (
        lambda c: c.nobody.get("/sign-in", headers={"Host": "evil.example"}), 400,
        "unknown host: GET /sign-in, nobody signed in from 127.0.0.1, 'evil.example'"),
    "no JSON": (
        lambda c: c.program.post("/api/planner/sites/", data=f"{{{TYPED}", content_type="application/json"), 400,
        "not understood: POST /api/planner/sites/, user {owner}"),
    "another kind of body": (
        lambda c: c.program.post("/api/planner/sites/", data={"name": TYPED}), 415,
        "not the kind of body taken: POST /api/planner/sites/, user {owner}"),
    "unknown field": (
        lambda c: c.program.post("/api/planner/sites/", json=SITE | {TYPED: TYPED}), 422,
        "not valid: POST /api/planner/sites/, user {owner} from 127.0.0.1, fields: an unknown field"),
    "wrong value": (
        lambda c: c.program.post("/api/planner/sites/", json=SITE | {"language": TYPED * 9}), 422,
        "not valid: POST /api/planner/sites/, user {owner} from 127.0.0.1, fields: language"),
    "older version": (
        lambda c: c.program.patch(c.site, json={"name": TYPED}, headers={"If-Match": '"old"'}), 412,
        "changed meanwhile: PATCH {site}, user {owner}"),
    "not possible now": (
        lambda c: c.program.post(f"{c.run}retry/", json={}), 409, "not possible now: POST {run}retry/, user {owner}"),
    "form": (
        lambda c: c.owner.post("/sites/new", data={"name": "", "url": TYPED}), 422,
        "not valid: POST /sites/new, user {owner}"),
}  # fmt: skip


@pytest.fixture
def callers(app: Flask, session: Session) -> Callers:
    return Callers(app, session)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert TYPED not in caplog.text
    lines = [record for record in caplog.records if record.getMessage().startswith("refused")]
    assert {record.levelname for record in lines} <= {"INFO"}
    return [record.getMessage().removeprefix("refused, ") for record in lines]


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_is_one_line(callers: Callers, caplog: pytest.LogCaptureFixture, name: str) -> None:
    send, status, said = REFUSALS[name]
    caplog.set_level("INFO")
    answer = send(callers)
    assert answer.status_code == status, answer.text
    people = callers.people
    expected = said.format(owner=people.owner.id, viewer=people.viewer.id, site=callers.site, run=callers.run)
    lines = refusals(caplog)
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_every_throttled_request_leaves_a_line(callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    wrong = {"Authorization": f"Bearer {TYPED}"}
    codes = [callers.nobody.get("/api/billing/credits/", headers=wrong).status_code for _ in range(32)]
    kinds = [line.partition(":")[0] for line in refusals(caplog)]
    assert codes == [401] * 30 + [429] * 2
    assert kinds == ["wrong key"] * 30 + ["too often"] * 2


def test_an_accepted_request_leaves_no_line(callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert callers.owner.get("/team").status_code == 200
    assert callers.program.post("/api/planner/sites/", json=SITE).status_code == 201
    assert callers.nobody.get("/team").status_code == 302
    assert callers.owner.get("/sites/987654321").status_code == 404
    assert refusals(caplog) == []
