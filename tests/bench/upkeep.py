"""What the daily sums cost: the same burst of free runs in one process, with and without them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flask import Flask
from sqlalchemy import Engine

from app.business.automation.services.history import credit_days, run_days
from app.business.events import EVENTS_QUEUE
from app.infrastructure import logs
from app.infrastructure.database import db, transaction
from app.infrastructure.messaging import automation_tasks
from app.infrastructure.run_triggers import create_run_triggers, drop_run_triggers
from tests.bench.bursts import RUNS, SHAPES, Place
from tests.bench.clocks import clock_of
from tests.bench.consoles import console
from tests.bench.table import Line

ROUNDS = 5
MOST = 0.10
"""Of what the runs take."""


def lines(engine: Engine, rounds: int = ROUNDS) -> Iterator[Line]:
    """Bursts with the sums and without, in turn, after one of each that warms up."""
    with TemporaryDirectory(prefix="igny8-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        logs.configure("WARNING")
        app = stack.enter_context(console(engine, folder))
        place = Place(engine, app.extensions["settings"].redis_url, folder)
        taken: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds + 1):
            for has_sums, seconds in taken.items():
                burst = _seconds(app, place, has_sums=has_sums)
                if number:
                    seconds.append(burst)
    without = median(taken[False])
    upkeep = median(taken[True]) - without
    _, kind = clock_of(engine)
    what = f"upkeep of daily sums, burst of {RUNS:,}, {engine.dialect.name}, {kind}"
    yield Line(what, upkeep * 1000, without * 1000, "ms", MOST)


def _seconds(app: Flask, place: Place, *, has_sums: bool) -> float:
    """Of a worker and the database, from the events to the end of the last run, and until the sums contain them."""
    with place.engine.begin() as connection:
        (create_run_triggers if has_sums else drop_run_triggers)(connection)
    clock, _ = clock_of(place.engine)
    until = place.closed() + RUNS
    place._begin(SHAPES[0])
    with app.app_context():
        # The accounts are not new: the sums have counted their days.
        run_days.keep_sums(transaction)
        begun = clock()
        while place.closed() < until:
            automation_tasks.drain(EVENTS_QUEUE)
        if has_sums:
            run_days.keep_sums(transaction)
            credit_days.keep_sums(transaction)
        ended = clock()
        db.session.remove()
    return ended - begun
