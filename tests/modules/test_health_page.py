"""System health: what works, what does not, and what to do about it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.infrastructure import readiness
from app.infrastructure.messaging import heartbeats, queues
from app.infrastructure.messaging.worker import ClockWorker, StepWorker
from app.infrastructure.process_restarts import Ended, ProcessRestart, note_restart
from app.modules.live import Machinery
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def viewer(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.viewer)


def tell_all_alive(valkey: Redis) -> None:
    now = datetime.now(UTC)
    for name in (heartbeats.SCHEDULER, heartbeats.SWEEP):
        heartbeats.record_heartbeat(valkey, name, now)
    for kind, names in ((ClockWorker, queues.CLOCK_WORKER_QUEUES), (StepWorker, queues.STEP_WORKER_QUEUES)):
        worker = kind(names, valkey)
        worker.bootstrap()
        worker.heartbeat()


def part(text: str, name: str) -> str:
    """The row of that part, without markup."""
    start = text.index(f">{name}<")
    return text[start : text.index("</tr>", start)]


def test_silent_parts_are_named_with_what_to_do(viewer: FlaskClient) -> None:
    text = viewer.get("/system").text
    assert "Something does not work" in text
    assert "flask --app wsgi scheduler" in part(text, "Scheduler")
    assert "Not heard of for 30 seconds." in part(text, "Clock worker")
    assert "Runs that write or group wait for one." in part(text, "Step workers")
    assert "Works" in part(text, "Queue server")


def test_parts_that_were_heard_of_say_when(viewer: FlaskClient, valkey: Redis) -> None:
    tell_all_alive(valkey)
    text = viewer.get("/system").text
    for name in ("Scheduler", "Sweep", "Clock worker", "Step workers"):
        assert "just now" in part(text, name)
        assert "Needs you" not in part(text, name)


def test_a_scheduler_that_fell_silent_is_red(viewer: FlaskClient, valkey: Redis) -> None:
    tell_all_alive(valkey)
    heartbeats.record_heartbeat(valkey, heartbeats.SCHEDULER, datetime.now(UTC) - timedelta(seconds=40))
    row = part(viewer.get("/system").text, "Scheduler")
    assert re.search(r"Silent for 4\d s\.", row)
    assert re.search(r"4\d seconds ago", row)


def test_books_that_do_not_agree_are_said_first(
    viewer: FlaskClient, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tables of a test were not made by migrations.
    monkeypatch.setattr(readiness, "_migrations", lambda: "ok")
    tell_all_alive(valkey)
    for broken, said in ([], "Everything works"), (["A hold is left."], "not everything adds up"):
        heartbeats.note_audit(valkey, broken, datetime.now(UTC))
        banner = BeautifulSoup(viewer.get("/system").text, "html.parser").select_one("main .banner")
        assert banner
        assert said in banner.text


def test_the_account_sees_its_own_backlog_and_the_last_audit(
    viewer: FlaskClient, session: Session, people: People, valkey: Redis
) -> None:
    run = make_run(session, make_rule(session, people.account), "pending")
    run.scheduled_at = datetime.now(UTC) - timedelta(minutes=5)
    session.commit()
    heartbeats.note_audit(valkey, [], datetime.now(UTC))
    queues.wake(valkey, ["long"])
    text = viewer.get("/system").text
    assert "1 for more than two minutes" in text
    assert "All holds" in text
    heartbeats.note_audit(valkey, ["A run that has ended holds no credits."], datetime.now(UTC))
    assert "A run that has ended holds no credits." in viewer.get("/system").text


def test_missing_workers_are_named_by_readyz(client: FlaskClient, valkey: Redis) -> None:
    answer = client.get("/readyz").json
    assert answer
    assert answer["checks"]["workers"] == "no worker looks at clock, due, manual, events, deliveries, long"
    tell_all_alive(valkey)
    answer = client.get("/readyz").json
    assert answer
    assert answer["checks"]["workers"] == "ok"


@pytest.fixture
def dashboard(
    app: Flask, session: Session, people: People, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """Its text, as it is drawn after a new look at the machinery."""
    operator = browser_of(app, session, people.operator)

    def draw() -> str:
        monkeypatch.setitem(app.extensions, "machinery", Machinery())
        return operator.get("/").text

    return draw


def test_the_dashboard_says_what_does_not_work(
    dashboard: Callable[[], str], valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = "Scheduler, Sweep, Clock worker, Step workers"
    assert f"Not working: Tables, {silent}<" in dashboard()
    tell_all_alive(valkey)
    # Tables of tests are made without migrations.
    text = dashboard()
    assert "Not working: Tables<" in text
    assert "All is well" not in text
    monkeypatch.setattr(readiness, "_migrations", lambda: "ok")
    text = dashboard()
    assert "All is well." in text
    assert "Not working" not in text


def test_the_whole_machinery_is_asked_over_one_connection(viewer: FlaskClient, valkey: Redis) -> None:
    viewer.get("/system")
    before = valkey.info("stats")["total_connections_received"]
    viewer.get("/system")
    # A second one where the shared look of all open pages falls into this moment.
    assert valkey.info("stats")["total_connections_received"] - before <= 2


def test_tables_of_another_version_say_once_what_to_do(
    viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = part(viewer.get("/system").text, "Tables")
    assert row.count("db upgrade") == 1
    assert "Of an older version." in row
    monkeypatch.setattr(readiness, "_present", lambda: ("9999",))
    row = part(viewer.get("/system").text, "Tables")
    assert "db upgrade" not in row
    assert "restore a backup" in row


def test_a_queue_server_that_is_away_hides_nothing(
    app: Flask, viewer: FlaskClient, dashboard: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = app.extensions["settings"].model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    monkeypatch.setitem(app.extensions, "settings", away)
    text = viewer.get("/system").text
    assert "Not answering." in part(text, "Queue server")
    assert "Not known while the queue server does not answer." in text
    assert "Not working: Tables, Queue server<" in dashboard()


def test_restarts_of_the_last_week_are_shown_with_their_cause(viewer: FlaskClient, session: Session) -> None:
    now = datetime.now(UTC)
    assert "No process had to be started again" in viewer.get("/system").text
    for process, days in (("step worker 1", 6), ("scheduler", 8)):
        note_restart(session, Ended(process, "host-1", 77, "It was killed.", now - timedelta(days=days)))
    session.commit()
    text = viewer.get("/system").text
    restarts = text[text.index("Restarts of the last week") :]
    assert "Step worker 1" in restarts
    assert "host-1" in restarts
    assert "It was killed." in restarts
    assert ">Scheduler<" not in restarts
    days = re.findall(r": (\d restarts?)</span>", restarts)
    assert days == ["1 restart", *["0 restarts"] * 6]


def test_of_many_restarts_the_latest_are_shown_and_all_counted(viewer: FlaskClient, session: Session) -> None:
    now = datetime.now(UTC)
    for minutes in range(60):
        note_restart(
            session,
            Ended("web server", "host-1", minutes, "It was killed.", now - timedelta(minutes=minutes)),
        )
    session.commit()
    text = viewer.get("/system").text
    assert text.count("It was killed.") == 50
    assert "The latest 50 of 60." in text


def test_restarts_that_no_page_shows_any_more_are_forgotten(session: Session) -> None:
    now = datetime.now(UTC)
    for days in (20, 8, 6, 0):
        note_restart(
            session, Ended("scheduler", "host-1", days, "It was killed.", now - timedelta(days=days))
        )
    session.commit()
    assert session.scalars(select(ProcessRestart.pid).order_by(ProcessRestart.id)).all() == [6, 0]
