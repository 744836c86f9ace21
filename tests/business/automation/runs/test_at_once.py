"""Runs of events that are executed in the transaction that opens them end as if they had waited for their turn."""

from itertools import count
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, true, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.draining import at_once as at_once_module
from app.business.automation.services.draining import set_execution, set_rows
from app.business.automation.services.draining.at_once import AtOnce
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.runs import daily_limit
from app.business.automation.services.runs.opening import Openings
from app.business.automation.services.triggering import closed_batches, deliveries, small_batches
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.planner.models import Keyword, Sector
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.held_world import Killed
from tests.business.automation.runs.batch_world import LAMP, RELABEL, SEEN, BatchWorld, everything
from tests.business.automation.runs.prompt_machine import Prompt, add, lamps, make_labelling
from tests.business.automation.runs.set_trials import killed_at
from tests.business.automation.runs.test_engine_cost import statements
from tests.business.automation.runs.test_set_pace import LONGEST_SECONDS, SlowMachine
from tests.factories import NOW
from tests.sampling import times

NOTHING_AT_ONCE = 20
"""In the world of this seed no run can be executed at once."""
SEEDS = times(full=[seed for seed in range(61) if seed != NOTHING_AT_ONCE], sample=[1])
EVENTS = "events"


@pytest.fixture
def machine(session: Session) -> Prompt:
    return Prompt(session)


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_ends_the_same(session: Session, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # What cannot be executed at once waits for its turn among all accounts, as in the other life.
    monkeypatch.setattr(small_batches, "MOST_TAKEN", 0)
    # Nor is it opened behind what is executed of other accounts: rows would get other numbers.
    monkeypatch.setattr(closed_batches, "MOST_PAIRS", 0)
    later = life(session, seed, at_once=False)
    databases.empty(db.engine)
    if db.engine.dialect.name == "sqlite":
        # PostgreSQL gives no number a second time.
        break_some_sets(monkeypatch)
    at_once = life(session, seed, at_once=True)
    for table, rows in later.items():
        assert at_once[table] == rows, table


def life(session: Session, seed: int, *, at_once: bool) -> dict[str, list[str]]:
    world = BatchWorld(session, rng=Random(seed), together=False, promptly=True, at_once=at_once)
    world.live()
    assert world.breaches() == []
    assert bool(world.ended_at_once) == at_once
    rows = everything(session)
    session.rollback()
    session.expunge_all()
    return rows


def break_some_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One set in three fails at its end."""
    execute, calls = AtOnce._execute, count()

    def fail(self: AtOnce, session: Session, openings: Openings, tried: list[int]) -> Openings:
        left = execute(self, session, openings, tried)
        if len(left) < len(openings) and next(calls) % 3 == 2:
            raise set_execution.Unexpected
        return left

    monkeypatch.setattr(AtOnce, "_execute", fail)


@pytest.mark.both_databases
@pytest.mark.parametrize("number", [3, 60])
def test_runs_are_done_when_they_are_dispatched(
    machine: Prompt, account: Account, sector: Sector, number: int
) -> None:
    """Of small batches and of large ones."""
    make_labelling(machine, account)
    add(machine, sector, lamps(number))
    with statements() as seen:
        machine.dispatch()
    assert machine.ends() == [Status.COMPLETED] * number
    assert (machine.labelled(), machine.attempts(), machine.breaches()) == (number, number, [])
    assert len(seen) <= 40, "\n".join(seen)
    assert machine.drain(EVENTS) == 0


@pytest.mark.both_databases
def test_runs_of_a_batch_for_several_transactions_are_done_part_by_part(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_RUNS", 25)
    rule = make_labelling(machine, account, conditions={"all": [LAMP]})
    add(machine, sector, [*lamps(60), *lamps(45, "desk")])
    machine.dispatch()
    assert [*machine.ends(), machine.labelled()] == [*[Status.COMPLETED] * 60, Status.SKIPPED, 60]
    (delivery,) = machine.session.scalars(select(BatchDelivery))
    assert (delivery.state, delivery.runs, delivery.matched, delivery.unmatched) == ("done", 60, 60, 45)
    parts = {run.part for run in machine.runs(Status.COMPLETED)}
    assert (parts, rule.failures_in_a_row, machine.breaches()) == ({*range(1, 61)}, 0, [])


@pytest.mark.parametrize("most_runs", [25, 400])
def test_what_is_said_of_records_that_do_not_match_is_what_was_seen_when_they_were_matched(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch, most_runs: int
) -> None:
    """Whether the deliveries of the batch are opened in one transaction or in parts: the first rule labels all records
    before those of the second one are opened."""
    monkeypatch.setattr(deliveries, "MOST_RUNS", most_runs)
    make_labelling(machine, account)
    make_labelling(machine, account, conditions={"any": [LAMP, SEEN]})
    add(machine, sector, [*lamps(30), *lamps(30, "desk")])
    machine.dispatch()
    (skipped,) = machine.runs(Status.SKIPPED)
    trace = machine.session.get_one(RunDetail, skipped.id).trace
    assert trace
    assert [seen["trace"]["result"] for seen in trace["records"]] == [False] * deliveries.SAMPLE
    assert machine.labelled() == 60


def test_a_part_that_fails_is_opened_after_all(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_RUNS", 25)
    make_labelling(machine, account)
    add(machine, sector, lamps(110))
    execute, calls = AtOnce._execute, count()

    def fail(self: AtOnce, *given: Any) -> Openings:
        left = execute(self, *given)
        if next(calls) == 1:
            raise set_execution.Unexpected
        return left

    monkeypatch.setattr(AtOnce, "_execute", fail)
    machine.dispatch()
    # What is behind them waits for them.
    assert [machine.ends().count(end) for end in (Status.COMPLETED, Status.PENDING)] == [25, 85]
    machine.settle()
    assert (machine.ends(), machine.labelled()) == ([Status.COMPLETED] * 110, 110)
    assert (machine.attempts(), machine.breaches()) == (110, [])


def test_rules_that_read_what_others_wrote_see_it(machine: Prompt, account: Account, sector: Sector) -> None:
    make_labelling(machine, account, priority=2)
    relabel = RELABEL | {"when": {"all": [SEEN]}}
    make_labelling(machine, account, priority=4, conditions={"all": [LAMP]}, actions=[relabel])
    add(machine, sector, [*lamps(4), *lamps(3, "desk")])
    machine.dispatch()
    assert machine.ends().count(Status.COMPLETED) == 11
    labels = [row.labels for row in machine.session.scalars(select(Keyword).order_by(Keyword.id))]
    assert labels == [["again"]] * 4 + [["seen"]] * 3
    assert machine.breaches() == []


def test_runs_beyond_the_daily_limit_wait_as_ever(machine: Prompt, account: Account, sector: Sector) -> None:
    make_labelling(machine, account, max_executions_per_day=4, when_limited="skip")
    add(machine, sector, lamps(3))
    machine.dispatch()
    assert machine.ends() == [Status.COMPLETED] * 3
    add(machine, sector, lamps(3, "desk"))
    machine.dispatch()
    assert machine.ends()[3:] == [Status.PENDING] * 3
    machine.settle()
    assert [run.reason for run in machine.runs()[3:]] == [None, *[Reason.DAILY_LIMIT] * 2]
    assert (machine.labelled(), machine.breaches()) == (4, [])


def test_a_limit_that_is_not_asked_for_is_found(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_limit, "used_today", lambda *_: {})
    monkeypatch.setattr(daily_limit, "has_slots", lambda _new: true())
    with pytest.raises(AssertionError):
        test_runs_beyond_the_daily_limit_wait_as_ever(machine, account, sector)


def test_what_is_due_before_comes_before(machine: Prompt, account: Account, sector: Sector) -> None:
    make_labelling(machine, account)
    add(machine, sector, lamps(2))
    dispatch_batches(machine.transaction, machine.now)
    add(machine, sector, lamps(2, "desk"))
    machine.dispatch()
    assert machine.ends() == [Status.PENDING] * 4
    machine.settle()
    assert (machine.ends(), machine.labelled()) == ([Status.COMPLETED] * 4, 4)


def test_a_rule_of_which_another_worker_executes_a_run_waits(
    machine: Prompt, account: Account, sector: Sector
) -> None:
    make_labelling(machine, account)
    add(machine, sector, lamps(1))
    dispatch_batches(machine.transaction, machine.now)
    (first,) = machine.runs()
    values = {"status": Status.RUNNING, "lease_token": "another", "lease_until": NOW}
    machine.session.execute(update(ScheduledTask).where(ScheduledTask.id == first.id).values(values))
    add(machine, sector, lamps(2, "desk"))
    machine.dispatch()
    assert machine.ends() == [Status.RUNNING, *[Status.PENDING] * 2]


CHANGES = [
    update(Account).values(paused_at=NOW),
    update(AutomationRule).values(is_active=False),
    update(AutomationRule).values(archived_at=NOW),
    update(AutomationRule).values(version=2),
    update(AutomationRule).values(failures_in_a_row=1),
    update(AutomationRule).values(max_executions_per_day=1),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_somebody_changes_before_the_rules_are_locked_counts(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    make_labelling(machine, account)
    add(machine, sector, lamps(2))
    choose = at_once_module._plain_kinds

    def changed(session: Session, *given: Any) -> Any:
        # By somebody else: what this session knows stays as it was.
        session.execute(change, execution_options={"synchronize_session": False})
        return choose(session, *given)

    monkeypatch.setattr(at_once_module, "_plain_kinds", changed)
    machine.dispatch()
    assert machine.ends() == [Status.PENDING] * 2


def test_records_that_a_run_holds_are_left_to_it(machine: Prompt, account: Account, sector: Sector) -> None:
    rule = make_labelling(machine, account)
    add(machine, sector, lamps(3))
    ids = machine.session.scalars(select(Keyword.id).order_by(Keyword.id)).all()
    held = {"record_type": "keyword", "record_id": ids[1], "state": "claimed", "run_id": 999}
    machine.session.add(RuleRecord(account_id=account.id, rule_id=rule.id, updated_at=NOW, **held))
    machine.session.commit()
    machine.dispatch()
    assert machine.ends() == [Status.COMPLETED, *[Status.PENDING] * 2]


@pytest.mark.both_databases
def test_a_set_that_fails_is_opened_after_all(
    machine: Prompt, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_labelling(machine, account)
    add(machine, sector, lamps(5))

    def fail(*_: object) -> None:
        raise OSError("All is done but for the rows of the attempts.")

    monkeypatch.setattr(set_rows, "_attempt", fail)
    machine.dispatch()
    assert (machine.failed, type(machine.cause)) == (5, OSError)
    assert (machine.ends(), machine.labelled()) == ([Status.PENDING] * 5, 0)
    monkeypatch.undo()
    machine.settle()
    assert (machine.ends(), machine.labelled()) == ([Status.COMPLETED] * 5, 5)
    assert (machine.attempts(), machine.breaches()) == (5, [])


@pytest.mark.both_databases
def test_a_worker_killed_at_any_statement_loses_nothing_and_repeats_nothing(
    machine: Prompt, account: Account, sector: Sector
) -> None:
    make_labelling(machine, account)
    for name in ("zero", "first"):
        add(machine, sector, lamps(5, name))
        with statements() as seen:
            machine.dispatch()
    points = times(full=range(1, len(seen) + 1), sample=range(2, len(seen) + 1, len(seen) // 5))
    for number, point in enumerate(points, 3):
        add(machine, sector, lamps(5, str(number)))
        with pytest.raises(Killed), killed_at(point, for_good=True):
            machine.dispatch()
        machine.session.rollback()
        machine.settle()
        assert machine.ends() == [Status.COMPLETED] * 5 * number, f"killed at statement {point}"
        assert (machine.labelled(), machine.attempts()) == (5 * number, 5 * number)
    assert machine.breaches() == []


def test_others_never_wait_longer_than_the_limit(machine: Prompt, account: Account, sector: Sector) -> None:
    make_labelling(machine, account)
    slow = SlowMachine()
    machine.pace = Pace(timer=lambda: slow.seconds)
    for number in range(4):
        add(machine, sector, lamps(50, str(number)))
        with slow.running():
            machine.dispatch()
        machine.settle()
    assert max(slow.transactions) <= LONGEST_SECONDS
    assert (machine.labelled(), machine.breaches()) == (200, [])
