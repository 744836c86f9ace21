"""No page, filter or call looks at all runs, whether its values are common, rare or absent: read from the plans.

By all statistics that an installation may have: those of its first day, fresh ones, and outdated ones.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.history import run_list
from tests.bench import many_runs
from tests.bench.pages import Place, places_of
from tests.people import browser_of, make_people, program_of
from tests.query_plans import Statement, as_installed, read, selected, statistics
from tests.sampling import times

pytestmark = pytest.mark.both_databases

RUNS, DAYS = times(full=(1_000_000, 365), sample=(20_000, 40))
MOST_STEPS = 4 * RUNS
"""Instructions of SQLite: the shortest look at every run of the account takes more than six for each run."""
MOST_ROWS = RUNS * 3 // 8
"""Rows that PostgreSQL looks at."""
LARGE = ("scheduled_task", "run_detail", "run_attempt", "action_run", "credit_entry", "run_change")


def test_no_page_looks_at_all_runs(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    restore(session)
    # A search looks at some runs whatever it finds.
    monkeypatch.setattr(run_list, "SEARCHED", RUNS // 40)
    monkeypatch.setattr(run_list, "SEARCHED_ON", RUNS // 40)
    monkeypatch.setattr(run_list, "PASSED", RUNS // 40)
    people, now = make_people(session), datetime.now(UTC)
    filled = many_runs.fill(session, people, RUNS, now, DAYS)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)

    def asked(places: Sequence[Place]) -> dict[tuple[str, str], Statement]:
        found = {}
        for place in places:
            with selected(session, is_large) as statements:
                answer = (program if place.is_api else browser).get(place.address)
            assert answer.status_code in (200, 204), place
            found |= {(place.name, said[0]): said for said in statements}
        return found

    def those_that_read_much(statements: dict[tuple[str, str], Statement]) -> dict[tuple[str, str], int]:
        found = {name: read(session, *statement) for name, statement in statements.items()}
        return {name: much for name, much in found.items() if much > most(session)}

    try:
        statements = asked([*places_of(filled, now)])
        much = {kind: those_that_read_much(statements) for kind in statistics(session)}
        assert not any(much.values()), much
        if session.get_bind().dialect.name == "postgresql":
            # It finds the few rows by another index, at the cost of reading all of that, which are no rows.
            return
        # Shows that this can fail.
        session.execute(text("DROP INDEX ix_scheduled_task_user"))
        session.commit()
        assert those_that_read_much(asked([Place("nobody", f"/history?user={people.owner.id}")]))
    finally:
        restore(session)


def is_large(statement: str) -> bool:
    return any(table in statement for table in LARGE)


def most(session: Session) -> int:
    return MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS


def restore(session: Session) -> None:
    """All indexes, and the statistics of a new installation."""
    session.rollback()
    for index in many_runs.in_order(ScheduledTask.__table__.indexes):
        index.create(session.connection(), checkfirst=True)
    as_installed(session)
    session.commit()
