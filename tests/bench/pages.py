"""W3: whole answers of every page and list that shows runs, beside the least that Flask and Jinja need for fifty rows.

The limit and the same pages over ten thousand and over many more runs take turns, so that what else the machine does
falls on all. What counts is processor time, on PostgreSQL that of its processes too.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask, render_template_string
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.paging import encode
from app.infrastructure.database import db
from app.modules.automation.views.history import LIMIT
from tests.bench import many_runs
from tests.bench.clocks import clock_of
from tests.bench.consoles import console
from tests.bench.engines import beside
from tests.bench.many_runs import Filled
from tests.bench.table import Line
from tests.people import browser_of, make_people, program_of

FEW = 10_000
MANY = int(os.environ.get("BENCH_RUNS", "1_000_000"))
"""5,000,000 take a quarter of an hour to make, and 5 GB."""
ROUNDS = 9
TO_LIMIT, TO_FEW, TO_FIRST = 4, 1.3, 1.2
LATE = 200
"""A page of the history."""
NEWEST = text(
    "SELECT id, rule_name, status, reason, cause, site_id, scheduled_at, credits_used FROM scheduled_task "
    "WHERE account_id = :account AND status = 'completed' ORDER BY scheduled_at DESC, id DESC LIMIT 50"
)
TABLE = """<!doctype html><title>Runs</title><table>{% for run in runs %}<tr><td><a href="/runs/{{ run.id }}">
{{ run.rule_name }}</a><td>{{ run.status }}<td>{{ run.reason or "" }}<td>{{ run.cause }}<td>{{ run.site_id or "" }}
<td><time>{{ run.scheduled_at }}</time><td>{{ run.credits_used }}</tr>{% endfor %}</table>"""
RUNS_API = "/api/automation/scheduled-tasks/"

Ask = Callable[[], object]


@dataclass(frozen=True)
class Place:
    """A page, or a call of the REST API, that shows runs or their figures. is_open: asked with the mark of the last
    answer, as an open page asks whether it has changed."""

    name: str
    address: str
    is_open: bool = False

    @property
    def is_api(self) -> bool:
        return self.address.startswith("/api/")


@dataclass(frozen=True)
class Served:
    """A console over so many runs, as an owner and a program of theirs use it."""

    browser: FlaskClient
    program: FlaskClient
    limit: Ask
    places: Sequence[Place]
    account_id: int
    marks: dict[Place, str] = field(default_factory=dict)

    def ask(self, place: Place) -> None:
        client, mark = self.program if place.is_api else self.browser, self.marks.get(place)
        answer = client.get(place.address, headers={"If-None-Match": mark} if mark else {})
        assert answer.status_code in (200, 204, 304), (place, answer.status)
        if place.is_open:
            self.marks[place] = answer.headers["ETag"]


def lines(engine: Engine, many: int = MANY, rounds: int = ROUNDS) -> Iterator[Line]:
    """Each place with many runs, to the limit and to itself with few."""
    with ExitStack() as stack:
        few = stack.enter_context(_served(stack.enter_context(beside(engine)), FEW))
        all_of_them = stack.enter_context(_served(engine, many))
        clock, kind = clock_of(engine)
        of = f"{engine.dialect.name}, {kind}"
        for before, place in zip(few.places, all_of_them.places, strict=True):
            asks = (all_of_them.limit, partial(few.ask, before), partial(all_of_them.ask, place))
            limit, small, large = _in_turn(asks, clock, rounds)
            yield Line(f"{place.name}, {many:,} runs, {of}", large, limit, "ms", TO_LIMIT)
            yield Line(f"{place.name}, to {FEW:,} runs, {of}", large, small, "ms", TO_FEW)
        first = next(place for place in all_of_them.places if place.name == "history, all")
        number, page = _late_page(engine, all_of_them.account_id)
        asks = (partial(all_of_them.ask, first), partial(all_of_them.ask, page))
        early, late = _in_turn(asks, clock, rounds)
        yield Line(f"history, page {number} to page 1, {many:,} runs, {of}", late, early, "ms", TO_FIRST)


def places_of(filled: Filled, now: datetime) -> Iterator[Place]:
    """Every page and filter; of values those that are common, rare and absent."""

    def day(back: int) -> str:
        return (now - timedelta(days=back)).date().isoformat()

    history = {
        "all": "",
        **{f"status {status}": f"status={status}" for status in (*Status, "practised")},
        **{f"cause {cause}": f"cause={cause}" for cause in Cause},
        **{
            f"reason {reason}": f"reason={reason}"
            for reason in (Reason.CONDITIONS, Reason.TIMED_OUT, Reason.SHADOW, Reason.RULE_INVALID)
        },
        "a rule": f"rule={filled.rule_id}",
        "a rule that hardly runs": f"rule={filled.rare_rule_id}",
        "failures of a rule": f"rule={filled.rule_id}&status=failed",
        "a rule in ten days": f"rule={filled.rule_id}&start={day(12)}&end={day(2)}",
        "a site": f"site={filled.site_id}",
        "failures of a site": f"site={filled.site_id}&status=failed",
        "a rule and a site": f"rule={filled.rule_id}&site={filled.site_id}",
        "a rule and an absent cause": f"rule={filled.rule_id}&cause=schedule",
        "a site and a rare cause": f"site={filled.site_id}&cause=backfill",
        "a site and an absent reason": f"site={filled.site_id}&reason=budget",
        "a cause and an absent reason": "cause=schedule&reason=budget",
        "a person": f"user={filled.user_id}",
        "a person and an absent reason": f"user={filled.user_id}&reason=budget",
        "today": "since=1",
        "90 days": "since=90",
        "long ago": f"start={day(9)}&end={day(8)}",
        "before all": f"end={day(400)}",
        "credits": "cost_min=35",
        "absent credits": "cost_min=1000",
        "credits of failures": "cost_min=35&status=failed",
        "duration": "took=60",
        "absent text": "q=nowhere",
    }
    for name, query in history.items():
        yield Place(f"history, {name}", f"/history?{query}" if query else "/history")
    pages = {
        "dashboard, 24 hours": "/?days=1",
        "dashboard, 7 days": "/?days=7",
        "dashboard, 30 days": "/",
        "dashboard, 90 days": "/?days=90",
        "dashboard, 90 days of a site": f"/?days=90&site={filled.site_id}",
        "grid of rules and days": "/history/days",
        "credits": "/credits",
        "system health": "/system",
        "rules": "/rules",
        "a rule": f"/rules/{filled.rule_id}",
        "a run": f"/runs/{filled.run_id}",
        "calendar": "/calendar",
        "calendar, weeks ago": f"/calendar?from={day(100)}",
        "my work": "/my-work",
        "search": "/search?q=brands",
    }
    yield from (Place(name, address) for name, address in pages.items())
    yield Place("unchanged page asks", "/system/moved", is_open=True)
    calls = {
        "runs": RUNS_API,
        "runs by number": f"{RUNS_API}?ordering=id",
        "runs by number, a rare rule": f"{RUNS_API}?ordering=id&automation_rule={filled.rare_rule_id}",
        "runs by number, a cause": f"{RUNS_API}?ordering=id&cause=backfill",
        "runs by number, an absent reason": f"{RUNS_API}?ordering=id&reason=budget",
        "summary": "/api/automation/summary/",
        "summary, 90 days": "/api/automation/summary/?days=90",
        "forecast": "/api/billing/forecast/",
        "rules": "/api/automation/rules/",
        "ledger": "/api/billing/ledger/",
    }
    yield from (Place(f"API, {name}", address) for name, address in calls.items())


@contextmanager
def _served(engine: Engine, runs: int) -> Iterator[Served]:
    now = datetime.now(UTC)
    with Session(engine, expire_on_commit=False) as session:
        people = make_people(session)
        filled = many_runs.fill(session, people, runs, now)
    many_runs.analyze(engine)
    with TemporaryDirectory(prefix="igny8-bench-") as folder, console(engine, Path(folder)) as app:
        with app.app_context():
            browser = browser_of(app, db.session(), people.owner)
            program = program_of(app, db.session(), people.owner)
            db.session.remove()
        limit = _limit(engine, people.account.id)
        yield Served(browser, program, limit, [*places_of(filled, now)], people.account.id)


def _late_page(engine: Engine, account_id: int) -> tuple[int, Place]:
    """Page 200 of the history, or the last full one, and its number."""
    run, now = ScheduledTask, datetime.now(UTC)
    shown = select(run.scheduled_at, run.id).where(run.account_id == account_id, run.scheduled_at <= now)
    newest = shown.order_by(run.scheduled_at.desc(), run.id.desc())
    with Session(engine) as session:
        counted = select(func.count()).select_from(newest.limit(LATE * LIMIT).subquery())
        number = session.scalars(counted).one() // LIMIT
        (last,) = session.execute(newest.offset((number - 1) * LIMIT - 1).limit(1))
    return number, Place(f"history, page {number}", f"/history?cursor={encode([*last])}")


def _limit(engine: Engine, account_id: int) -> Ask:
    """Fifty runs from an index as a plain table: an application that can do nothing else.

    `render_template_string` compiles its template at each request, which is most of its 1.2 to 1.9 ms; kept compiled
    it would take 0.6. The goals were set for the former.
    """
    app = Flask(__name__)

    @app.get("/")
    def show() -> str:
        with engine.connect() as connection:
            runs = connection.execute(NEWEST, {"account": account_id}).all()
        return render_template_string(TABLE, runs=runs)

    client = app.test_client()
    return lambda: client.get("/")


def _in_turn(asks: Sequence[Ask], clock: Callable[[], float], rounds: int) -> list[float]:
    """The median of each in milliseconds, one after another in each round, after a first round that warms up."""
    taken: list[list[float]] = [[] for _ in asks]
    for round in range(rounds + 1):
        for ask, seconds in zip(asks, taken, strict=True):
            begun = clock()
            ask()
            if round:
                seconds.append(clock() - begun)
    return [statistics.median(seconds) * 1000 for seconds in taken]
