"""Each filter of the lists of runs, and each figure, reads little, also where it finds nothing among many runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.history import dashboard, figures, rule_days, run_days, run_list
from app.business.automation.services.history.backlog import backlog
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.total_models import RunDayState
from app.business.periods import last_days
from tests.business.automation.run_rows import make_rule, make_run
from tests.query_plans import as_installed, instructions, scanned

pytestmark = pytest.mark.both_databases

RUNS, PAGE = 20_000, 50
MOST_STEPS = 20_000
"""Instructions of SQLite for a page: the busiest of these pages takes 8,000."""
MOST_ROWS = 500
"""Rows that PostgreSQL reads for a page, from all indexes together."""


@pytest.fixture
def rule(session: Session, account: Account, now: datetime) -> Iterator[AutomationRule]:
    """A rule with many runs that all look alike but for skipped ones, and an old run of each rare look."""
    rule = make_rule(session, account)
    like = make_run(session, rule, now, cause=Cause.EVENT)
    look: dict[str, Any] = {"cause": Cause.EVENT, "reason": Reason.CONDITIONS}
    skipped = make_run(session, rule, now, Status.SKIPPED, **look)
    columns = ", ".join(
        column.name
        for column in ScheduledTask.__table__.columns
        if column.name not in ("id", "scheduled_at", "finished_at")
    )
    earlier = _earlier(session)
    session.execute(
        text(
            f"INSERT INTO scheduled_task (scheduled_at, finished_at, {columns}) "
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) "
            f"SELECT {earlier}, {earlier}, {columns} FROM n, scheduled_task "
            f"WHERE id = CASE WHEN n.i % 3 = 0 THEN {skipped.id} ELSE {like.id} END"
        )
    )
    oldest = now - timedelta(seconds=2 * RUNS)
    make_run(session, rule, oldest, cause=Cause.BACKFILL)
    make_run(session, rule, oldest, Status.FAILED, cause=Cause.API, reason=Reason.BUDGET)
    make_run(session, rule, oldest, Status.SKIPPED, cause=Cause.MANUAL, reason=Reason.SHADOW)
    session.commit()
    session.execute(text("ANALYZE"))
    session.commit()
    yield rule
    session.rollback()
    as_installed(session)
    session.commit()


def filters_offered(rule_id: int, now: datetime) -> Iterator[RunFilters]:
    """One filter for each value of each kind, and each with a status and with a time."""
    plain = [
        RunFilters(),
        *(RunFilters(status=[status]) for status in Status),
        *(RunFilters(cause=cause) for cause in Cause),
        *(RunFilters(reason=reason) for reason in Reason),
        RunFilters(status=[Status.SKIPPED], practised=True),
        RunFilters(status=[Status.SKIPPED], practised=False),
        RunFilters(status=[Status.FAILED, Status.SKIPPED], reason=Reason.BUDGET),
        RunFilters(status=[Status.FAILED], cause=Cause.BACKFILL),
        RunFilters(status=[Status.SKIPPED], cause=Cause.API),
        RunFilters(site=1),
        RunFilters(site=1, status=[Status.FAILED]),
        RunFilters(user=1),
        RunFilters(user=1, status=[Status.COMPLETED]),
        RunFilters(user=1, reason=Reason.BUDGET),
        RunFilters(site=1, reason=Reason.BUDGET),
        RunFilters(cause=Cause.EVENT, reason=Reason.BUDGET),
        RunFilters(rules=[rule_id], reason=Reason.BUDGET),
        *(RunFilters(rules=[rule_id], cause=cause) for cause in Cause),
        RunFilters(rules=[rule_id], cause=Cause.EVENT, site=1, status=[Status.RUNNING]),
        RunFilters(cost_min=10),
        RunFilters(cost_min=10, status=[Status.FAILED]),
    ]
    yield from plain
    for filters in plain:
        yield replace(filters, after=now - timedelta(days=7), before=now - timedelta(hours=3))


def test_every_filter_reads_little(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    read = {
        repr(filters): rows_read(session, account, filters, now)
        for filters in [
            *filters_offered(rule.id, now),
            RunFilters(rules=[rule.id]),
            RunFilters(rules=[rule.id + 1]),
        ]
    }
    most = MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS
    assert {name: rows for name, rows in read.items() if rows > most} == {}


def test_what_has_no_index_reads_much(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    """Shows that the test above can fail."""
    if session.get_bind().dialect.name == "postgresql":
        pytest.skip("PostgreSQL reads another index instead, of which no rows are counted")
    for name in (
        f"ix_scheduled_task_{column}"
        for column in ("cause", "rule_cause", "site_cause", "reason", "site", "user")
    ):
        session.execute(text(f"DROP INDEX {name}"))
    most = MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS
    for filters in (
        RunFilters(cause=Cause.BACKFILL),
        RunFilters(reason=Reason.PAUSED),
        RunFilters(site=1),
        RunFilters(user=1),
    ):
        assert rows_read(session, account, filters, now) > most
    session.rollback()


def test_a_rare_cause_of_a_site_reads_little(
    session: Session, account: Account, rule: AutomationRule, now: datetime
) -> None:
    """Although other sites have many runs of that cause."""
    of_one = ScheduledTask.id <= RUNS // 2
    session.execute(update(ScheduledTask).where(of_one).values(cause=Cause.MANUAL, site_id=1))
    session.execute(update(ScheduledTask).where(~of_one).values(site_id=2))
    filters = RunFilters(site=2, cause=Cause.MANUAL)
    most = MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS
    session.execute(text("ANALYZE"))
    assert rows_read(session, account, filters, now) < most
    if session.get_bind().dialect.name == "sqlite":
        # Shows that this can fail; PostgreSQL reads another index instead, of which no rows are counted.
        session.execute(text("DROP INDEX ix_scheduled_task_site_cause"))
        assert rows_read(session, account, filters, now) > most
    session.rollback()


def test_figures_read_little(session: Session, account: Account, rule: AutomationRule, now: datetime) -> None:
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("counts instructions of SQLite")
    scope, month = Scope(account.id), last_days(30, "UTC", now)
    for _ in range(2):
        run_days.keep_sums(lambda: nullcontext(session))
    asked: dict[str, Callable[[], Any]] = {
        "outcomes": lambda: dashboard.outcomes_by_day(session, scope, month, "UTC", now),
        "lateness": lambda: dashboard.lateness(session, scope, month, "UTC", now),
        "summary": lambda: figures.summary(session, scope, month, "UTC", now),
        "backlog": lambda: backlog(session, account.id, now),
        "latest ends": lambda: rule_days.latest_ends(session, scope, [rule.id]),
        "days of a rule": lambda: rule_days.ends_by_day(session, scope, [rule.id], month, "UTC", now),
    }
    read = {name: instructions(session, ask) for name, ask in asked.items()}
    assert {name: steps for name, steps in read.items() if steps > MOST_STEPS} == {}
    # Counted from the runs themselves:
    session.execute(delete(RunDayState))
    assert instructions(session, asked["outcomes"]) > MOST_STEPS


def rows_read(session: Session, account: Account, filters: RunFilters, now: datetime) -> int:
    """SQLite: instructions. PostgreSQL: rows that its scans look at."""
    if session.get_bind().dialect.name == "sqlite":
        scope = Scope(account.id)
        return instructions(session, lambda: run_list.runs_page(session, scope, filters, None, PAGE, now))
    query = run_list.page_query(Scope(account.id), filters, None, PAGE, now)
    written = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    (plan,) = session.scalars(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {written}").columns()).one()
    return scanned(json.loads(plan)["Plan"] if isinstance(plan, str) else plan["Plan"])


def _earlier(session: Session) -> str:
    if session.get_bind().dialect.name == "postgresql":
        return "scheduled_at - n.i * interval '1 second'"
    return "strftime('%Y-%m-%d %H:%M:%f000', scheduled_at, '-' || n.i || ' seconds')"
