"""Concurrent planners and an editor on the same rules, each in its own process; started by test_planning_races."""

import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import planned_runs
from app.business.automation.services.runs.due_rule import COLUMNS, DueRule
from app.business.automation.services.triggering import planning
from app.infrastructure.database import engine_options, prepare
from tests.factories import NOW

ROUNDS = 12
STEP = timedelta(minutes=10)
start: Any = None


def race(url: str, *, planners: int, edits: bool, guarded: bool = True) -> int:
    """Two hours in which all plan at once every ten minutes; returns the number of rules that could not be planned."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    works = [(url, False)] * planners + [(url, True)] * edits
    with context.Pool(len(works), _begin, (context.Barrier(len(works)), guarded)) as pool:
        return sum(pool.starmap(work, works, chunksize=1))


def _begin(barrier: Any, guarded: bool) -> None:
    global start
    start = barrier
    if not guarded:
        # The build that must fail: no rule is locked while it is being planned, nor looked at when it moves.
        planning._hold_due = _read_due
        planned_runs.insert_many_new = _insert


def _read_due(session: Session, rule_ids: Iterable[int], until: datetime) -> list[DueRule]:
    query = select(*COLUMNS).where(AutomationRule.id.in_(list(rule_ids)))
    return [DueRule(*row) for row in session.execute(query.where(AutomationRule.unplanned_from <= until))]


def _insert(session: Session, model: Any, rows: Any, *returning: Any, is_shown: bool) -> Any:
    return session.execute(insert(model).returning(*returning), rows).all()


def work(url: str, edits: bool) -> int:
    """One process: in each round it plans, or changes every rule."""
    engine = create_engine(url, **engine_options(url))
    prepare(engine)
    failed = 0
    for turn in range(1, ROUNDS + 1):
        now = NOW + turn * STEP
        start.wait(60)
        if edits:
            _edit(engine, turn, now)
        else:
            failed += len(planning.plan(lambda: _transaction(engine), now).failed)
    engine.dispose()
    return failed


def _edit(engine: Engine, turn: int, now: Any) -> None:
    with _transaction(engine) as session:
        ids = session.scalars(select(AutomationRule.id)).all()
    for rule_id in ids:
        with _transaction(engine) as session:
            rule = session.get_one(AutomationRule, rule_id)
            schedule = {"cron": f"{turn % 5}-59/5 * * * *", "timezone": "UTC"}
            AutomationService().update_rule(
                session, rule, definition_of(rule) | {"schedule": schedule}, Actor(None), now
            )


@contextmanager
def _transaction(engine: Engine) -> Iterator[Session]:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session
