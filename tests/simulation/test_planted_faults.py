"""Sensitivity of the simulation: each of these broken builds is found within a few seeds."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, true, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services import action_executor, rule_engine
from app.business.automation.services.draining import drain, plain_runs
from app.business.automation.services.runs import closing, commands, daily_limit
from app.business.automation.services.runs import lease as run_lease
from app.business.automation.services.runs.lease import Lease
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering import planning
from tests.sampling import times
from tests.simulation.crashes import Process
from tests.simulation.simulator import on_sqlite

MOST_SEEDS = 12
FOUND_BY = {
    "write_without_the_lease": 12,
    "claim_without_a_guard": 7,
    "count_days_without_a_limit": 0,
    "do_not_tell_what_a_statement_ended": 5,
    "move_on_before_the_rows_are_written": 20,
}
"""Seeds that found them before are lived through first."""


def write_without_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    def renew(session: Session, lease: Lease, now: datetime) -> None:
        session.execute(
            update(ScheduledTask).where(ScheduledTask.id == lease.run_id).values(worker="anybody")
        )

    monkeypatch.setattr(action_executor, "renew", renew)

    def renew_and_read(session: Session, lease: Lease, now: datetime) -> ScheduledTask:
        renew(session, lease, now)
        return session.get_one(ScheduledTask, lease.run_id, populate_existing=True)

    monkeypatch.setattr(rule_engine, "renew_and_read", renew_and_read)
    # Runs executed together need no lease: none of them is ever seen running.
    monkeypatch.setattr(drain, "_execute_reserved", drain._execute_selected)

    def may_stall(process: Process, where: str) -> None:
        if process.world.chances.happens(0.2):
            process.world.stall(f"{process.name} fell asleep {where}")

    # Only who sleeps longer than its lease lasts can lose it.
    monkeypatch.setattr(Process, "may_stall", may_stall)


def claim_without_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(
        session: Session, run_id: int, worker: str, token: str, now: datetime, _reserved: str
    ) -> ScheduledTask:
        claimed = {"status": Status.RUNNING, "lease_token": token, "lease_until": now + run_lease.LEASE}
        counted = {"attempt": ScheduledTask.attempt + 1, "started_at": now, "worker": worker}
        session.execute(update(ScheduledTask).where(ScheduledTask.id == run_id).values(claimed | counted))
        return session.get_one(ScheduledTask, run_id, populate_existing=True)

    monkeypatch.setattr(run_lease, "_take", take)
    monkeypatch.setattr(plain_runs, "_still", lambda run_ids, *_: (ScheduledTask.id.in_(run_ids),))


def count_days_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_limit, "has_slots", lambda _new: true())


def move_on_before_the_rows_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(transaction: Transaction, now: datetime) -> planning.Planned:
        with transaction() as session:
            soon = AutomationRule.unplanned_from <= now + planning.WINDOW
            starts = {
                rule: rule.unplanned_from for rule in session.scalars(select(AutomationRule).where(soon))
            }
            for rule in starts:
                rule.unplanned_from = now + planning.WINDOW
        with transaction() as session:
            for rule, start in starts.items():
                rule.unplanned_from = start
                planning.plan_rule(session, rule, now)
        return planning.Planned(len(starts))

    monkeypatch.setattr(planning, "plan", plan)


def keep_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "settle_claims", lambda *_, **__: None)


def do_not_tell_what_a_statement_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "note_end", lambda *_: None)


QUICKLY_FOUND = [
    claim_without_a_guard,
    move_on_before_the_rows_are_written,
    keep_the_records,
    do_not_tell_what_a_statement_ended,
]


@pytest.mark.parametrize(
    "plant",
    times(full=[write_without_the_lease, count_days_without_a_limit, *QUICKLY_FOUND], sample=QUICKLY_FOUND),
)
def test_a_broken_build_is_found(
    template: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    likely = FOUND_BY.get(plant.__name__, 0)
    seeds = [likely, *range(MOST_SEEDS)]
    failures = (on_sqlite(template, seed) for seed in seeds)
    assert any(failures), f"{MOST_SEEDS} seeds did not find it"
