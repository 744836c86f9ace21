"""What the daily sums cost: the same burst of free runs in one process, with and without them.

Only what works counts: a look that finds nothing due yet is no part of a burst, and how many there are depends on what
else the machine does. Sets have the same number of runs each time, however busy the machine is, and no garbage is
collected meanwhile: each of both was more than what is measured here.
"""

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

from flask import Flask
from sqlalchemy import Engine

from app.business.automation.services.draining.pace import Pace
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

ROUNDS, OF_SET = 6, 100
MOST = 0.10
"""Of what the runs take."""


def lines(engine: Engine, rounds: int = ROUNDS) -> Iterator[Line]:
    """Bursts with the sums and without, in turn and each as often the first, after one of each that warms up."""
    with TemporaryDirectory(prefix="igny8-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        logs.configure("WARNING")
        app = stack.enter_context(console(engine, folder))
        pace = Pace(timer=lambda: 0.0, runs=OF_SET)
        stack.enter_context(patch.object(automation_tasks, "_pace", lambda: pace))
        place = Place(engine, app.extensions["settings"].redis_url, folder)
        upkeep, without = list[float](), list[float]()
        for number in range(rounds + 1):
            in_turn = (True, False) if number % 2 else (False, True)
            taken = {has_sums: _seconds(app, place, has_sums=has_sums) for has_sums in in_turn}
            if number:
                upkeep.append(taken[True] - taken[False])
                without.append(taken[False])
    _, kind = clock_of(engine)
    what = f"upkeep of daily sums, burst of {RUNS:,}, {engine.dialect.name}, {kind}"
    yield Line(what, median(upkeep) * 1000, median(without) * 1000, "ms", MOST)


def _seconds(app: Flask, place: Place, *, has_sums: bool) -> float:
    """Of a worker and the database, from the events to the end of the last run, and until the sums contain them."""
    with place.engine.begin() as connection:
        (create_run_triggers if has_sums else drop_run_triggers)(connection)
    clock, _ = clock_of(place.engine)
    ended, taken = place.closed(), 0.0
    until = ended + RUNS
    place._begin(SHAPES[0])
    with app.app_context(), _without_collector():
        # The accounts are not new: the sums have counted their days and their first credits.
        _keep_sums()
        while ended < until:
            begun = clock()
            automation_tasks.drain(EVENTS_QUEUE)
            worked = clock() - begun
            before, ended = ended, place.closed()
            taken += worked if ended > before else 0
        begun = clock()
        if has_sums:
            _keep_sums()
        taken += clock() - begun
        db.session.remove()
    return taken


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _keep_sums() -> None:
    run_days.keep_sums(transaction)
    credit_days.keep_sums(transaction)
