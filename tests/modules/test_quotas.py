"""Quotas of keys and persons, their headers on every answer, and that they work without the queue server."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from limits.storage import RedisStorage
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.modules import quotas
from app.modules.quotas import BACK_TESTS, CHANGES, EXPORTS, IMPORTS, REQUESTS, Counts, Quota
from app.modules.throttle import limiter
from tests.business.automation.run_rows import make_rule
from tests.modules.automation_rest import LABEL
from tests.people import People, browser_of, make_people, program_of

RULES = "/api/automation/rules/"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    rule = make_rule(session, people.account, actions=[LABEL])
    session.commit()
    return rule


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.editor)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three requests and two changes per minute; the minute does not end."""
    monkeypatch.setattr(quotas, "REQUESTS", Quota("requests", 3, 60))
    monkeypatch.setattr(quotas, "CHANGES", Quota("changes", 2, 60))
    with time_machine.travel(datetime.now(UTC).replace(second=20, microsecond=0), tick=False):
        yield


def test_the_defaults_are_as_documented() -> None:
    assert (REQUESTS.amount, REQUESTS.seconds, CHANGES.amount, CHANGES.seconds) == (6000, 60, 1200, 60)
    assert {(quota.amount, quota.seconds) for quota in (IMPORTS, EXPORTS, BACK_TESTS)} == {(60, 3600)}


@pytest.mark.usefixtures("few")
def test_every_answer_shows_what_is_left(api: FlaskClient, rule: AutomationRule) -> None:
    first = api.get(RULES)
    assert first.headers["RateLimit-Policy"] == '"requests";q=3;w=60'
    assert first.headers["RateLimit"] == '"requests";r=2;t=40'
    second = api.post(f"{RULES}{rule.id}/test/", json={})
    assert second.headers["RateLimit-Policy"] == '"requests";q=3;w=60, "changes";q=2;w=60'
    assert second.headers["RateLimit"] == '"requests";r=1;t=40, "changes";r=1;t=40'


@pytest.mark.usefixtures("few")
def test_requests_over_the_quota_are_refused_until_the_minute_ends(
    app: Flask, session: Session, people: People, api: FlaskClient
) -> None:
    assert [api.get(RULES).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = api.get(RULES)
    assert (refused.headers["Retry-After"], refused.content_type) == ("40", "application/problem+json")
    assert refused.headers["RateLimit"] == '"requests";r=0;t=40'
    assert refused.json["detail"] == "There may be 3 requests a minute. Try again in 40 seconds."
    other_key, page = program_of(app, session, people.editor), browser_of(app, session, people.editor)
    assert (other_key.get(RULES).status_code, page.get("/rules").status_code) == (200, 200)
    with time_machine.travel(datetime.now(UTC).replace(second=59)):
        assert api.get(RULES).status_code == 429
    assert page.get("/rules").headers["RateLimit"] == '"requests";r=1;t=40'


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "path", [f"{RULES}{{}}/execute/", f"{RULES}{{}}/test/", f"{RULES}{{}}/price/", "/api/automation/preview/"]
)
def test_executing_testing_and_previewing_have_a_quota_of_their_own(
    api: FlaskClient, rule: AutomationRule, path: str
) -> None:
    answers = [api.post(path.format(rule.id), json={}) for _ in range(3)]
    assert [answer.status_code == 429 for answer in answers] == [False, False, True]
    assert api.get(RULES).status_code == 429


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/planner/keywords/import/", "imports"),
        ("POST", f"{RULES}import/", "imports"),
        ("GET", f"{RULES}export/", "exports"),
        ("POST", f"{RULES}{{}}/back-test/", "back-tests"),
    ],
)
def test_sixty_heavy_requests_an_hour(
    api: FlaskClient, rule: AutomationRule, monkeypatch: pytest.MonkeyPatch, method: str, path: str, name: str
) -> None:
    def ask() -> tuple[int, str]:
        answer = api.open(path.format(rule.id), method=method, json={"odd": 1} if method == "POST" else None)
        return answer.status_code, answer.headers["RateLimit"]

    said = [ask() for _ in range(61)]
    assert [code == 429 for code, _ in said] == [False] * 60 + [True]
    assert f'"{name}";r=59;t=' in said[0][1]
    assert f'"{name}";r=0;t=' in said[60][1]
    assert api.get(RULES).status_code == 200


@pytest.mark.parametrize("path", ["/rules/import", "/keywords/import"])
def test_reading_a_form_is_not_counted(app: Flask, session: Session, people: People, path: str) -> None:
    browser = browser_of(app, session, people.editor)
    assert "imports" not in browser.get(path).headers["RateLimit"]


def test_sign_in_and_wrong_keys_show_what_is_left_too(
    app: Flask, session: Session, people: People, client: FlaskClient
) -> None:
    browser = browser_of(app, session, people.viewer)
    tried = browser.post("/sign-in", data={"email": "nobody@example.com", "password": "wrong"})
    assert ";w=900" in tried.headers["RateLimit-Policy"]
    wrong = {"Authorization": "Bearer wrong"}
    answers = [client.get(RULES, headers=wrong) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"wrong keys";q=30;w=900'
    assert 0 < int(answers[30].headers["Retry-After"]) <= 900
    assert answers[30].json["detail"].startswith("There may be 30 wrong keys in 15 minutes. Try again in 1")


@pytest.mark.parametrize("quota", [Quota("requests", 3, 60), Quota("imports", 3, 3600)])
def test_without_the_queue_server_it_counts_in_memory(
    app: Flask, monkeypatch: pytest.MonkeyPatch, quota: Quota
) -> None:
    counts, dead = Counts(), RedisStorage("redis://127.0.0.1:1")
    monkeypatch.setattr(type(limiter), "storage", property(lambda _limiter: dead))
    with time_machine.travel(datetime.now(UTC).replace(second=20)):
        assert [counts.spend(quota, "key-1").left for _ in range(4)] == [2, 1, 0, -1]
        assert counts.spend(quota, "key-2").left == 2
    assert counts.away_until > 0
    dead.storage.close()
