"""Random runs that compete for the same records while workers die: all end, nobody waits in a circle.

A seed decides who starts what, when a worker dies and when an action fails. Time advances in sweeps of 15 seconds.
`SEED=7 pytest tests/business/automation/runs/test_held_worlds.py` repeats one seed.
"""

import os
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.auditing import invariants
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import closing, commands, conditions_gate, waiting
from app.business.automation.services.runs.held_records import TAKEN_UP_WITHIN
from app.business.automation.services.runs.lease import LEASE
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.record_selection import Choice
from app.business.automation.unit_models import ActionRun
from tests.business.automation.held_world import DyingMachine
from tests.business.automation.rule_parts import HOURLY, LABEL
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.sampling import FULL

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(400 if FULL else 2)
SWEEPS, QUIET_SWEEPS = 15, 60
RECORDS = 6
NOTIFY = {"type": "notify", "params": {"message": "Done"}}


class World:
    """One rule, a few records, and runs of every cause that compete for them."""

    def __init__(self, session: Session, seed: int) -> None:
        self.rng, self.session = Random(seed), session
        self.machine = DyingMachine(session)
        account = make_account(session)
        sector = make_sector(session, make_site(session, account))
        self.records = [make_keyword(session, sector).id for _ in range(RECORDS)]
        options = self.rng.choice(
            [
                {"trigger": "schedule", "schedule": HOURLY, "repeat": "always", "overlap": "queue"},
                {"trigger": "schedule", "schedule": HOURLY, "repeat": "always", "overlap": "allow"},
                {"trigger": "keyword_added"},
                {"trigger": "keyword_added"},
            ]
        )
        self.rule: AutomationRule = self.machine.make_rule(
            account,
            **options,
            record_type="keyword",
            actions=[LABEL, NOTIFY],
            max_executions_per_day=500,
            stop_after_failures=0,
        )
        self.machine.dies = lambda: self.rng.random() < 0.35
        self.machine.fails = lambda: self.rng.random() < 0.1

    def live(self) -> list[str]:
        """The violated invariants; empty when all held."""
        for _ in range(SWEEPS):
            if self.rng.random() < 0.6:
                self._somebody_acts()
            if broken := self._sweep():
                return broken
        self.machine.dies = self.machine.fails = lambda: False
        for _ in range(QUIET_SWEEPS):
            self._retry_what_failed()
            if broken := self._sweep():
                return broken
            if not self._unended() and not self.machine.runs(Status.FAILED):
                break
        return self._at_the_end()

    def _somebody_acts(self) -> None:
        act = self.rng.choice([self._start, self._start, self._open, self._open, self._retry, self._cancel])
        act()
        self.session.commit()

    def _some(self) -> list[int]:
        return self.rng.sample(self.records, self.rng.randint(1, RECORDS))

    def _start(self) -> None:
        actor = Actor(None, api_key_id=self.rng.choice([None, 1]))
        ids = self.rng.choice([None, self._some()])
        AutomationService().execute(self.session, self.rule, actor, self.machine.now, record_ids=ids)

    def _open(self) -> None:
        if self.rule.trigger == "schedule":
            opening = Opening(Cause.SCHEDULE, self.machine.now)
        else:
            some = self._some()
            cause = self.rng.choice([Cause.EVENT, Cause.BACKFILL])
            opening = Opening(cause, self.machine.now, records=some, promised=len(some))
        open_run(self.session, self.rule, opening)

    def _retry(self) -> None:
        if failed := self.machine.runs(Status.FAILED):
            commands.retry(self.session, self.rng.choice(failed), self.machine.now)

    def _cancel(self) -> None:
        if open_runs := self.machine.runs(Status.PENDING, Status.RUNNING):
            commands.cancel(self.session, self.rng.choice(open_runs), self.machine.now)

    def _retry_what_failed(self) -> None:
        for run in self.machine.runs(Status.FAILED):
            commands.retry(self.session, run, self.machine.now)

    def _sweep(self) -> list[str]:
        self.machine.pass_time(seconds=15)
        self.machine.sweep()
        return [*self._held_by_nobody(), *self._circles(), *self._untrue()]

    def _held_by_nobody(self) -> list[str]:
        """Records that a dead or ended run holds for too long."""
        row, run = RuleRecord, ScheduledTask
        query = select(row.record_id, run).join(run, run.id == row.run_id).where(row.state == "claimed")
        found = []
        for record_id, holder in self.session.execute(query.execution_options(populate_existing=True)):
            dead_since = holder.lease_until - LEASE if holder.lease_until else self.machine.now
            if (
                holder.status not in (Status.PENDING, Status.RUNNING)
                or self.machine.now > dead_since + TAKEN_UP_WITHIN
            ):
                found.append(f"record {record_id} is held by run {holder.id}, {holder.status}")
        return found

    def _circles(self) -> list[str]:
        """Runs that wait for each other; runs that wait for records hold none."""
        waits = {run.id: run.waits_for_run_id for run in self.machine.runs(Status.PENDING) if run.waiting_for}
        holding = set(self.session.scalars(select(RuleRecord.run_id).where(RuleRecord.state == "claimed")))
        found = [
            f"run {run_id} waits and holds" for run_id, other in waits.items() if other and run_id in holding
        ]
        return found + [
            f"run {a} and run {b} wait for each other" for a, b in waits.items() if b and waits.get(b) == a
        ]

    def _untrue(self) -> list[str]:
        """Every record always matches: a run that finds none must have processed them all, or must report that they
        are held."""
        found = []
        for run in self.machine.runs(Status.SKIPPED):
            had_all = "taken by this rule before" in run.error_message and "held" not in run.error_message
            if run.reason == Reason.CONDITIONS and not had_all:
                found.append(f"run {run.id}: {run.error_message}")
        return found

    def _unended(self) -> list[ScheduledTask]:
        open_runs = self.machine.runs(Status.PENDING, Status.RUNNING)
        return [run for run in open_runs if run.scheduled_at <= self.machine.now]

    def _at_the_end(self) -> list[str]:
        found = [
            f"run {run.id} ({run.cause}) is {run.status}, waits for {run.waiting_for} {run.waits_for_run_id}"
            for run in self._unended()
        ]
        breaches = invariants.audit(self.session, self.machine.now)
        found += [f"{breach.name}: {breach.rows}" for breach in breaches if breach.name != "never_due"]
        return found + self._missing()

    def _missing(self) -> list[str]:
        """Each record of a start is processed once by its runs, or left to the run that took it over."""
        done: Counter[tuple[int, int]] = Counter()
        run, unit = ScheduledTask, ActionRun
        query = select(run.start_id, run.id, unit.record_id, unit.status).join(unit, unit.run_id == run.id)
        for start_id, run_id, record_id, _ in self.session.execute(query.where(unit.step == 0)):
            done[start_id or run_id, record_id] += 1
        return [
            f"record {key} of start {start}: {times} times"
            for (start, key), times in done.items()
            if times > 1
        ]


def broken(session: Session, seed: int) -> list[str]:
    return World(session, seed).live()


# On the other database a sample shows whether the statements work.
WORLDS = [("sqlite", seed) for seed in SEEDS] + [
    ("postgresql", seed) for seed in (SEEDS if FULL else SEEDS[:1])
]


@pytest.mark.parametrize(("database_url", "seed"), WORLDS, indirect=["database_url"], scope="session")
def test_all_runs_end_and_no_two_wait_for_each_other(session: Session, seed: int) -> None:
    assert broken(session, seed) == []


def say_that_held_ones_do_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = conditions_gate.choose_records

    def choose_free(*args: object) -> Choice:
        choice = choose(*args)
        choice.matched, choice.held = choice.free, []
        return choice

    monkeypatch.setattr(conditions_gate, "choose_records", choose_free)


def wake_nobody_for_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_wake_when_records_are_free", lambda *_: 0)
    monkeypatch.setattr(closing, "wake_previous", waiting.wake_next_in_turn)


def keep_the_records_of_failed_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = closing.settle_claims

    def settle_completed(*args: object, failed: bool, **how: bool) -> None:
        if not failed:
            settle(*args, failed=failed, **how)

    monkeypatch.setattr(closing, "settle_claims", settle_completed)


@pytest.mark.parametrize(
    "plant", [say_that_held_ones_do_not_match, wake_nobody_for_records, keep_the_records_of_failed_runs]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
def test_a_broken_build_is_found(
    session: Session, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    assert any(broken(session, seed) for seed in range(3))
