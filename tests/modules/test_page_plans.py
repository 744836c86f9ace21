"""No page, filter or call looks at all runs, whether its values are common, rare or absent: read from the plans.

With fresh statistics, as the sweep keeps them. Without any, SQLite counts the dashboard and the summary from all runs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.history import run_list
from tests.bench import many_runs
from tests.bench.pages import Place, places_of
from tests.business.automation.history.test_run_filters import instructions, scanned
from tests.people import browser_of, make_people, program_of
from tests.sampling import times

pytestmark = pytest.mark.both_databases

RUNS, DAYS = times(full=(1_000_000, 365), sample=(20_000, 40))
MOST_STEPS = 4 * RUNS
"""Instructions of SQLite: the shortest look at every run of the account takes more than six for each run."""
MOST_ROWS = RUNS * 3 // 8
"""Rows that PostgreSQL looks at."""
LARGE = ("scheduled_task", "run_detail", "run_attempt", "action_run", "credit_entry", "run_change")
Statement = tuple[str, Any]


def test_no_page_looks_at_all_runs(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    restore(session)
    # A search looks at some runs whatever it finds.
    monkeypatch.setattr(run_list, "SEARCHED", RUNS // 40)
    people, now = make_people(session), datetime.now(UTC)
    filled = many_runs.fill(session, people, RUNS, now, DAYS)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    places = [*places_of(filled, now)]

    def those_that_read_much(of: Sequence[Place]) -> dict[tuple[str, str], int]:
        found = {}
        for place in of:
            with selected(session) as statements:
                answer = (program if place.is_api else browser).get(place.address)
            assert answer.status_code in (200, 204), place
            found |= {(place.name, said[0]): read(session, *said) for said in statements}
        return {place: much for place, much in found.items() if much > most(session)}

    try:
        many_runs.analyze(session)
        assert those_that_read_much(places) == {}
        if session.get_bind().dialect.name == "postgresql":
            # It finds the few rows by another index, at the cost of reading all of that, which are no rows.
            return
        # Shows that this can fail.
        session.execute(text("DROP INDEX ix_scheduled_task_user"))
        session.commit()
        assert those_that_read_much([Place("nobody", f"/history?user={people.owner.id}")])
    finally:
        restore(session)


def most(session: Session) -> int:
    return MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS


@contextmanager
def selected(session: Session) -> Iterator[list[Statement]]:
    """What is selected from the large tables."""
    found: list[Statement] = []
    engine = session.get_bind()
    assert isinstance(engine, Engine)

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and any(table in statement for table in LARGE):
            found.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def read(session: Session, statement: str, values: Any) -> int:
    """SQLite: instructions. PostgreSQL: rows that its scans look at."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return instructions(session, lambda: connection.exec_driver_sql(statement, values).all())
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).one()
    return scanned(plan[0]["Plan"])


def restore(session: Session) -> None:
    """All indexes, and on SQLite no statistics, which it keeps of tables that are empty again."""
    session.rollback()
    for index in many_runs.in_order(ScheduledTask.__table__.indexes):
        index.create(session.connection(), checkfirst=True)
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("DROP TABLE IF EXISTS sqlite_stat1"))
    session.commit()
