"""What 200 open pages cost one web process, and how soon by the clock on the wall they show a run that has ended.

A real web process, asked over HTTP by 200 pages that behave as static/js/live.js does: those on which something runs
ask more often than the others.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from app import ROOT
from app.business.automation.run_models import ScheduledTask
from app.infrastructure.database import db
from app.settings import Settings
from tests.bench.consoles import console
from tests.bench.table import Line
from tests.modules.automation_pages import make_rule, make_run
from tests.people import browser_of, make_people
from tests.processes import FLASK, clean_environment, eventually, free_port, running

MOVED, PAGE = "/system/moved", "/history"
ACCOUNTS, PAGES_EACH = 20, 10
COUNT = ACCOUNTS * PAGES_EACH
CALM = 20.0
"""Seconds for which nothing moves, before the first run ends."""
ENDS = 5
"""Runs that end one after another, each at another moment of the pages' pauses."""
GOAL_CPU = 2.0
"""Milliseconds of the web process for a question that is answered with 304."""
GOAL_SHOWN = 3.0
"""Seconds until the last page of the account shows the run."""


def pause_of(name: str) -> float:
    """Seconds between the questions of a page, under that name in its script."""
    found = re.search(rf"const {name} = ([\d_]+)", (ROOT / "static/js/live.js").read_text())
    assert found, "live.js names its pauses in another way"
    return int(found[1].replace("_", "")) / 1000


@dataclass
class Watch:
    """What the pages see. ended: number of the run -> when it ended; shown: the same -> when each page showed it ·
    drawn: the numbers of the pages that have been drawn and found nothing new since.
    """

    ended: dict[int, float] = field(default_factory=dict)
    shown: dict[int, list[float]] = field(default_factory=dict)
    unchanged: int = 0
    drawn: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note_unchanged(self, number: int) -> None:
        with self.lock:
            self.unchanged += 1
            self.drawn.add(number)

    def all_are_drawn(self) -> bool:
        return len(self.drawn) == COUNT

    def is_everywhere(self, run_id: int) -> bool:
        """Whether every page of the account shows the run."""
        return len(self.shown.get(run_id, ())) == PAGES_EACH

    def note_page(self, text: str, seen: set[int]) -> None:
        """The page has been drawn with this text; `seen`: the runs it has shown before."""
        now = time.monotonic()
        with self.lock:
            for run_id in self.ended.keys() - seen:
                if said_by(run_id) in text:
                    seen.add(run_id)
                    self.shown.setdefault(run_id, []).append(now - self.ended[run_id])


def said_by(run_id: int) -> str:
    return f"Run {run_id} was slow."


def lines(engine: Engine) -> Iterator[Line]:
    with (
        TemporaryDirectory(prefix="igny8-bench-") as folder,
        console(engine, Path(folder)) as app,
        _web_process(app, Path(folder)) as (port, pid),
    ):
        cost, shown = _measured(app, port, pid)
    name = f"{COUNT} open pages, {engine.dialect.name}"
    yield Line(f"CPU of an unchanged question, {name}", 1000 * cost, GOAL_CPU, "ms", 1)
    yield Line(f"An ended run is shown by the last of {PAGES_EACH}, {name}", max(shown), GOAL_SHOWN, "s", 1)


@contextmanager
def _web_process(app: Flask, folder: Path) -> Iterator[tuple[int, int]]:
    """The port and the id of a web process on the same database and queue server."""
    settings: Settings = app.extensions["settings"]
    port = free_port()
    environment = clean_environment(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        SECRET_KEY=settings.secret_key.get_secret_value(),
        PORT=str(port),
        DATA_DIR=str(folder),
    )
    with running([*FLASK, "web"], environment, folder / "web.log") as web:
        eventually(lambda: _answers(port), what="the web process answers")
        yield port, web.pid


def _answers(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _measured(app: Flask, port: int, pid: int) -> tuple[float, list[float]]:
    """CPU seconds of an unchanged question, and the seconds after which pages showed each run."""
    with app.app_context():
        run_ids, cookies = _open(app, db.session())
        db.session.remove()
    watch, quick, at_work = Watch(), pause_of("QUICK"), pause_of("AT_WORK")
    pages = [
        threading.Thread(
            target=_stay_open,
            args=(watch, number, port, cookie, at_work if cookie == cookies[0] else quick),
        )
        for number, cookie in enumerate(cookies * PAGES_EACH)
    ]
    for page in pages:
        page.start()
    try:
        eventually(watch.all_are_drawn, within=300, what="all pages are drawn")
        questions, used = watch.unchanged, _cpu_of(pid)
        time.sleep(CALM)
        cost = (_cpu_of(pid) - used) / (watch.unchanged - questions)
        for number, run_id in enumerate(run_ids):
            _end(app, watch, run_id)
            eventually(partial(watch.is_everywhere, run_id), what="all pages show it")
            time.sleep(at_work * (2 + number / ENDS))
    finally:
        watch.is_over.set()
        for page in pages:
            page.join()
    if watch.failed:
        raise RuntimeError(f"pages that were not answered: {watch.failed[:3]}")
    return cost, [seconds for of_run in watch.shown.values() for seconds in of_run]


def _open(app: Flask, session: Session) -> tuple[list[int], list[str]]:
    """The runs of the first account that will end, and the cookie of a person of each account."""
    accounts = [make_people(session) for _ in range(ACCOUNTS)]
    rule = make_rule(session, accounts[0].account)
    runs = [make_run(session, rule, "running", started_at=datetime.now(UTC)).id for _ in range(ENDS)]
    name, cookies = app.config["SESSION_COOKIE_NAME"], []
    for people in accounts:
        cookie = browser_of(app, session, people.owner).get_cookie(name)
        assert cookie
        cookies.append(f"{name}={cookie.value}")
    return runs, cookies


def _stay_open(watch: Watch, number: int, port: int, cookie: str, pause: float) -> None:
    """A page as its script keeps it: a question after each pause, and drawn anew when something has moved."""
    connection, mark, seen = HTTPConnection("127.0.0.1", port, timeout=30), "", set[int]()
    watch.is_over.wait(pause * number / COUNT)
    while not watch.is_over.is_set():
        try:
            status, mark, _ = _get(connection, MOVED, cookie, mark)
            if status == 204:
                watch.note_page(_get(connection, PAGE, cookie, "")[2], seen)
            elif status == 304:
                watch.note_unchanged(number)
            else:
                watch.failed.append(f"status {status}")
        except OSError as error:
            watch.failed.append(str(error))
            connection.close()
        watch.is_over.wait(pause)
    connection.close()


def _get(connection: HTTPConnection, path: str, cookie: str, mark: str) -> tuple[int, str, str]:
    known = {"If-None-Match": mark} if mark else {}
    connection.request("GET", path, headers={"Cookie": cookie, "Console-Redraw": "1", **known})
    answer = connection.getresponse()
    return answer.status, answer.headers.get("ETag", mark), answer.read().decode()


def _end(app: Flask, watch: Watch, run_id: int) -> None:
    with app.app_context():
        session = db.session()
        ended = {"status": "failed", "reason": "timed_out", "error_message": said_by(run_id)}
        session.execute(
            update(ScheduledTask)
            .where(ScheduledTask.id == run_id)
            .values(**ended, finished_at=datetime.now(UTC))
        )
        with watch.lock:
            session.commit()
            watch.ended[run_id] = time.monotonic()
        db.session.remove()


def _cpu_of(pid: int) -> float:
    """Seconds of CPU that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
