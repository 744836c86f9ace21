"""Paid runs executed by sets of statements end as they do one by one, whatever limit they meet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunAttempt, ScheduledTask, Status
from app.business.automation.services.draining import paid_execution, paid_sets, plain_runs
from app.business.automation.services.draining.drain import Drained, drain
from app.business.automation.services.draining.pace import Overdue, Pace
from app.business.automation.services.draining.paid_answers import make_ideas
from app.business.automation.services.draining.paid_runs import PaidRuns
from app.business.automation.services.draining.paid_sets import PaidSets
from app.business.automation.services.draining.set_execution import Unexpected
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.reservations import RESERVED_FOR, reserve
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.billing.models import CreditEntry, CreditHold, CreditHoldPart, SpendCounter
from app.business.billing.services import set_charges
from app.business.outlets.incident_models import Incident
from app.business.outlets.services import incidents
from app.business.outlets.services.incidents import FailureCause, Touched
from app.business.planner.models import Cluster, Sector, Site
from app.business.planner.services.ideas_service import IdeasService
from app.infrastructure.ai.offline import OfflineModel
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.held_world import Killed
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS
from tests.business.automation.runs.batch_world import everything
from tests.business.automation.runs.paid_world import PaidWorld
from tests.business.automation.runs.test_engine_cost import TRANSACTION_WORDS, statements
from tests.factories import (
    NOW,
    make_account,
    make_ai_connection,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.sampling import times

SEEDS = times(full=range(100), sample=range(1, 2))
PRICE = 5


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_a_paid_world_ends_the_same_with_its_runs_executed_together(
    session: Session, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = life(session, seed, together=False)
    databases.empty(db.engine)
    break_some_sets(monkeypatch)
    common = life(session, seed, together=None)
    for table, rows in alone.items():
        assert common[table] == rows, table


def life(session: Session, seed: int, *, together: bool | None) -> dict[str, list[str]]:
    world = PaidWorld(session, rng=Random(seed), together=together)
    world.live()
    assert world.breaches() == []
    assert not world.runs(Status.RUNNING)
    if together is None:
        counted = f"{world.as_set} runs in sets, {world.singly} singly after a failed set"
        assert world.as_set, counted
    rows = everything(session)
    session.rollback()
    session.expunge_all()
    return rows


def break_some_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One set in four finds that something has changed before it writes."""
    write, calls = PaidSets._write, count()

    def write_some(sets: PaidSets, *given: Any) -> None:
        if next(calls) % 4 == 1:
            raise Unexpected
        write(sets, *given)

    monkeypatch.setattr(PaidSets, "_write", write_some)


@pytest.fixture
def machine(session: Session) -> Machine:
    """Six runs of one rule are due, each over one new cluster; a budget at each level."""
    machine = PaidWorld(session, rng=Random(1), model=OfflineModel(), halts=False)
    account = make_account(session, daily_ceiling=900)
    machine.make_rule(
        account, trigger="cluster_created", batching="each", actions=[IDEAS], monthly_budget=500,
        max_executions_per_day=1000,
    )  # fmt: skip
    make_sector(session, make_site(session, account, monthly_budget=700))
    due_again(machine, 6)
    return machine


def due_again(machine: Machine, runs: int) -> None:
    assert isinstance(machine, PaidWorld)
    machine._add_clusters(machine.session.scalars(select(Sector)).one(), runs)
    dispatch_batches(machine.transaction, machine.now)


def drain_all(machine: Machine) -> Drained:
    pace = Pace(timer=lambda: 0.0)
    return drain(machine.engine, LONG_QUEUE, most_runs=100, most_seconds=60, pace=pace)


def spent(machine: Machine) -> tuple[int, int, int]:
    """Charges, runs charged, and attempts: each the same number when everything was done once."""
    session = machine.session
    charges = session.scalar(select(func.count(CreditEntry.id)).where(CreditEntry.run_id.is_not(None)))
    runs = session.scalar(select(func.count(func.distinct(CreditEntry.run_id))))
    return charges or 0, runs or 0, session.scalar(select(func.count(RunAttempt.id))) or 0


@pytest.mark.both_databases
def test_a_paid_run_in_a_set_takes_at_most_ten_statements(machine: Machine) -> None:
    due_again(machine, 14)
    with statements() as seen:
        drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (20, 20, 0)
    assert len(seen) <= 10 * 20, "\n".join(seen)
    assert spent(machine) == (20, 20, 20)
    assert machine.breaches() == []


def test_a_paid_run_by_itself_takes_at_most_85_statements_and_five_transactions(machine: Machine) -> None:
    begins: list[object] = []
    note = begins.append
    run = machine.runs()[0]
    event.listen(db.engine, "begin", note)
    with statements() as seen:
        assert machine.engine.execute(run.id)
    event.remove(db.engine, "begin", note)
    assert len(seen) <= 85, "\n".join(seen)
    assert len(begins) <= 5


@pytest.mark.both_databases
def test_credits_and_budgets_are_moved_once_and_add_up(machine: Machine) -> None:
    session = machine.session
    assert drain_all(machine).as_set == 6
    session.expire_all()
    account = session.scalars(select(Account)).one()
    assert (account.credits_balance, account.credits_held) == (1000 - 6 * PRICE, 0)
    counters = session.execute(select(SpendCounter.scope, SpendCounter.spent, SpendCounter.held)).all()
    assert {tuple(row) for row in counters} == {
        (scope, 6 * PRICE, 0) for scope in ("account", "rule", "site")
    }
    after = list(session.scalars(select(CreditEntry.balance_after).order_by(CreditEntry.id)))
    assert after == [1000 - number * PRICE for number in range(7)]
    parts = session.execute(select(CreditHoldPart.amount, CreditHoldPart.posted)).all()
    assert [tuple(part) for part in parts] == [(PRICE, PRICE)] * 18
    assert {hold.state for hold in session.scalars(select(CreditHold))} == {"closed"}


LIMITS: list[tuple[str, Any, Any]] = [
    ("balance", Account, {"credits_balance": 12}),
    ("ceiling", Account, {"daily_ceiling": 12}),
    ("rule", AutomationRule, {"monthly_budget": 12}),
    ("site", Site, {"monthly_budget": 12}),
]


@pytest.mark.both_databases
@pytest.mark.parametrize(("level", "model", "values"), LIMITS, ids=[level for level, *_ in LIMITS])
def test_runs_that_a_limit_does_not_pay_for_are_in_no_set(
    machine: Machine, level: str, model: Any, values: dict[str, int]
) -> None:
    session = machine.session
    session.execute(update(model).values(values))
    if level == "balance":
        session.add(
            CreditEntry(
                account_id=session.scalars(select(Account.id)).one(), kind="adjust", amount=-988,
                balance_after=12, key="less", reason="Less", created_at=machine.now,
            )
        )  # fmt: skip
    session.commit()
    drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 2, 0)
    assert len(machine.runs(Status.COMPLETED)) == 2
    assert {run.waiting_for for run in machine.runs(Status.PENDING)} <= {"credits", "budget"}
    assert machine.breaches() == []


@pytest.mark.both_databases
@pytest.mark.parametrize("level", [level for level, *_ in LIMITS])
def test_a_limit_reached_while_ideas_are_made_is_met_by_the_guards(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is not asked again here, so that only the guard of each update is left."""
    assert guards_hold(machine, level, monkeypatch)


def guards_hold(machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    session = machine.session
    monkeypatch.setattr(
        "app.business.automation.services.draining.paid_runs.number_affordable",
        lambda _session, charges: len(charges),
    )
    _, model, values = next(limit for limit in LIMITS if limit[0] == level)
    session.execute(update(model).values(values))
    session.commit()
    drained = drain_all(machine)
    return (drained.as_set, drained.singly, len(machine.runs(Status.COMPLETED))) == (0, 6, 2)


@pytest.mark.parametrize("level", ["ceiling", "rule", "site"])
def test_a_budget_without_a_guard_is_found(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_only(sums: Any, charge: Any) -> None:
        sums.amount += charge.amount

    monkeypatch.setattr(set_charges._Sum, "add", count_only)
    assert not guards_hold(machine, level, monkeypatch)


@pytest.mark.parametrize("level", ["ceiling", "rule", "site"])
def test_a_guard_whose_rows_are_not_counted_is_found(
    machine: Machine, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_charges, "_change", lambda session, update_, rows: session.execute(update_, rows))
    assert not guards_hold(machine, level, monkeypatch)


def test_a_hold_taken_for_the_wrong_run_is_found(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = set_charges._hold

    def of_another(charge: Any, now: Any) -> dict[str, Any]:
        return hold(charge, now) | {"run_id": charge.run_id + 1}

    monkeypatch.setattr(set_charges, "_hold", of_another)
    world = PaidWorld(session, rng=Random(0))
    world.live()
    assert world.singly or world.breaches()


def test_a_run_that_ends_an_incident_is_in_no_set(machine: Machine) -> None:
    """One that the AI service's faults have opened: the first run that makes ideas again ends it."""
    account_id = machine.session.scalars(select(Account.id)).one()
    cause = FailureCause("ai", "refused", "The AI service")
    touched = Touched("run-0", None, None, ())
    incidents.note_failure(machine.session, account_id, cause, touched, "Not now.", machine.now)
    machine.session.commit()
    machine.pass_time(minutes=1)
    assert drain_all(machine).executed == 6
    assert machine.session.scalars(select(Incident.status)).all() == ["recovered"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Somebody acts once, while the ideas of a set are made."""
    acts = [act]

    def make(*given: Any) -> Any:
        while acts:
            acts.pop()()
        return make_ideas(*given)

    monkeypatch.setattr(paid_sets, "make_ideas", make)


def _switch_off(session: Session) -> None:
    session.execute(update(AutomationRule).values(is_active=False))


def _pause(session: Session) -> None:
    session.execute(update(Account).values(paused_at=NOW))


def _cancel(session: Session) -> None:
    commands.cancel(session, session.scalars(select(ScheduledTask)).first() or ScheduledTask(), NOW)


def _add_keyword(session: Session) -> None:
    cluster = session.scalars(select(Cluster)).first()
    sector = session.scalars(select(Sector)).one()
    assert cluster
    make_keyword(session, sector, text="why a lamp", cluster_id=cluster.id, status="clustered")


def _add_page(session: Session) -> None:
    make_task(session, session.scalars(select(Sector)).one(), title="How to clean a lamp 1")


def _connect(session: Session) -> None:
    make_ai_connection(session, session.scalars(select(Account)).one())


def _edit(session: Session) -> None:
    session.execute(
        update(Cluster).values(version=Cluster.version + 1, main_keyword=Cluster.main_keyword + "s")
    )


@pytest.mark.parametrize(
    ("act", "completed"),
    [(_switch_off, 0), (_pause, 0), (_cancel, 5), (_add_keyword, 6), (_add_page, 6), (_edit, 6)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_changes_while_ideas_are_made_counts(
    machine: Machine, act: Callable[[Session], None], completed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        with machine.transaction() as session:
            act(session)

    meanwhile(monkeypatch, change)
    drained = drain_all(machine)
    assert (drained.as_set, drained.singly) == (0, 6)
    assert len(machine.runs(Status.COMPLETED)) == completed
    assert spent(machine)[:2] == (completed, completed)
    assert machine.breaches() == []


def test_a_connection_made_meanwhile_is_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> None:
        with machine.transaction() as session:
            _connect(session)

    meanwhile(monkeypatch, connect)
    assert drain_all(machine).as_set == 0


def taken_meanwhile(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Drained:
    """The reservation has ended while ideas were made, and another worker has reserved the runs."""

    def take() -> None:
        machine.now += RESERVED_FOR + timedelta(seconds=1)
        with machine.transaction() as session:
            assert len(reserve(session, LONG_QUEUE, 10, machine.now).rules) == 6

    meanwhile(monkeypatch, take)
    return drain_all(machine)


@pytest.mark.both_databases
def test_runs_that_another_worker_has_taken_meanwhile_are_left_to_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken_meanwhile(machine, monkeypatch).executed == 0
    assert spent(machine) == (0, 0, 0)


def test_a_token_that_is_not_checked_is_found(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_runs, "_still", lambda run_ids, *_: (ScheduledTask.id.in_(run_ids),))
    assert taken_meanwhile(machine, monkeypatch).executed


@pytest.mark.both_databases
def test_a_set_that_fails_at_its_end_is_executed_one_by_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid_execution, "charge_at_once", _fail)
    drained = drain_all(machine)
    assert (drained.executed, drained.as_set, drained.singly) == (6, 0, 6)
    assert spent(machine) == (6, 6, 6)
    assert machine.breaches() == []


def _fail(*_: object) -> None:
    raise OSError("All is done but for the charges.")


def test_a_fallback_that_executes_its_runs_again_is_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def keeping() -> Iterator[Session]:
        try:
            yield machine.session
        finally:
            machine.session.commit()

    monkeypatch.setattr(paid_execution, "charge_at_once", _fail)
    monkeypatch.setattr(machine, "transaction", keeping)
    with suppress(SQLAlchemyError):
        drain_all(machine)
    machine.session.rollback()
    done = {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert not (done and spent(machine) == (6, 6, 6) and not machine.breaches())


def test_a_set_that_takes_too_long_is_made_smaller(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the pace: with six runs a set takes long, with one it does not."""
    pace = Pace(timer=lambda: 0.0)
    asked: list[int] = []

    def require_time(_began: float) -> None:
        asked.append(pace.runs)
        if pace.runs > 2:
            raise Overdue

    def note_ideas(service: IdeasService, paid: PaidRuns) -> Any:
        made.append(len(paid.matching))
        return make_ideas(service, paid)

    made: list[int] = []
    monkeypatch.setattr(paid_sets, "make_ideas", note_ideas)
    monkeypatch.setattr(pace, "require_time", require_time)
    drained = drain(machine.engine, LONG_QUEUE, most_runs=100, most_seconds=60, pace=pace)
    assert (drained.executed, drained.singly, asked[0]) == (6, 0, 50)
    # What is made for a set that was too large is written by a smaller one, and not made again.
    assert made[:2] == [6, 2]
    assert spent(machine) == (6, 6, 6)


@pytest.mark.both_databases
def test_a_worker_killed_at_any_statement_of_a_paid_set_loses_nothing_and_charges_once(
    machine: Machine,
) -> None:
    with statements() as seen:
        assert drain_all(machine).as_set == 6
    whole = len(seen)
    points = times(full=range(1, whole + 1), sample=range(4, whole + 1, whole // 4))
    for number, point in enumerate(points, 2):
        due_again(machine, 6)
        with pytest.raises(Killed):
            _drain_until_killed(machine, point)
        machine.session.rollback()
        machine.now += RESERVED_FOR + timedelta(seconds=1)
        machine.settle()
        assert spent(machine) == (6 * number, 6 * number, 6 * number), f"killed at statement {point}"
        assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert machine.breaches() == []


def _drain_until_killed(machine: Machine, point: int) -> None:
    passed = count(1)

    def kill(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(TRANSACTION_WORDS) and next(passed) == point:
            raise Killed

    event.listen(db.engine, "before_cursor_execute", kill)
    try:
        drain_all(machine)
    finally:
        event.remove(db.engine, "before_cursor_execute", kill)
