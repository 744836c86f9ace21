"""Small batches of several accounts are dispatched in one transaction, and end as if each had one of its own."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.models import AutomationRule, RuleDay, RuleRecord
from app.business.automation.run_models import RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.draining.at_once import AtOnce
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.draining.set_execution import Unexpected
from app.business.automation.services.runs.opening import Openings
from app.business.automation.services.runs.reservations import RESERVED_FOR
from app.business.automation.services.triggering import closed_batches, small_batches
from app.business.automation.services.triggering.closed_batches import Closed, first_group
from app.business.automation.services.triggering.dispatch import Dispatched, dispatch_batches
from app.business.automation.services.triggering.small_batches import Taken
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Keyword, Sector
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, LABEL
from tests.business.automation.runs.test_engine_cost import statements
from tests.business.automation.triggering.event_batches import SEARCHED, batch_of, import_many
from tests.factories import NOW, make_account, make_sector, make_site
from tests.sampling import times

SEEDS = times(full=range(60), sample=range(2))
UNSEEN = {"not": {"field": "labels", "operator": "contains", "value": "seen"}}
NOTIFY = {"type": "notify", "params": {"message": "Look"}}
MOST_STATEMENTS = 30


def closed(number: int, account: int, events: int = 1, rules: int = 1) -> Closed:
    return Closed(number, NOW, account, events, rules)


@pytest.mark.parametrize(
    ("batches", "most_pairs", "expected"),
    [
        ([closed(1, 1), closed(2, 2), closed(3, 1), closed(4, 3)], 50, [1, 2]),
        ([closed(1, 1, 100), closed(2, 2, 100), closed(3, 3, 1)], 200, [1, 2]),
        ([closed(1, 1, 100), closed(2, 2, 100)], 199, [1]),
        ([closed(1, 1, 100, 3), closed(2, 2)], 200, [1]),
        ([closed(1, 1, 1, 5), closed(2, 2, 1, 3), closed(3, 3)], 200, [1, 2]),
        ([closed(1, 1), closed(2, 2, 101), closed(3, 3)], 500, [1]),
        ([closed(number, number, 10) for number in range(1, 9)], 1_000, [*range(1, 9)]),
    ],
)
def test_so_many_go_together(batches: Sequence[Closed], most_pairs: int, expected: list[int]) -> None:
    assert [one.id for one in first_group(batches, most_pairs)] == expected


class Together:
    """A worker that executes runs at once. failed: opened because their set had failed."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.pace = machine, Pace(timer=lambda: 0.0, runs=200)
        self.at_once = AtOnce(machine.engine.executor.works, "test", machine.clock, self.pace)

    def dispatch(self) -> Dispatched:
        return dispatch_batches(self.machine.transaction, self.machine.now, taken=Taken(self.at_once))


def settle(machine: Machine) -> None:
    """Also execute the runs that are reserved for whoever has dispatched them."""
    machine.now += RESERVED_FOR + timedelta(seconds=1)
    machine.settle()


@pytest.fixture
def sectors(machine: Machine, session: Session) -> list[Sector]:
    """Of four accounts, each with a rule that labels keywords one by one."""
    return [labelling(machine, session, f"Account {number}") for number in range(4)]


def labelling(machine: Machine, session: Session, name: str, **rule: Any) -> Sector:
    account = make_account(session, name=name, credits=50)
    usual = {"actions": [LABEL], "batching": "each", "max_executions_per_day": 1_000}
    machine.make_rule(account, **usual | rule)
    return make_sector(session, make_site(session, account))


@pytest.mark.both_databases
def test_batches_of_several_accounts_share_their_statements(
    machine: Machine, session: Session, sectors: list[Sector]
) -> None:
    worker = Together(machine)
    import_many(session, sectors[0], 1, name="first")
    worker.dispatch()
    for sector in sectors:
        import_many(session, sector, 5, name=f"shoe {sector.id}")
    with statements() as seen:
        assert worker.dispatch().batches == 4
    assert [run.status for run in machine.runs()] == [Status.COMPLETED] * 21
    assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
    assert (labelled(session), machine.breaches()) == (21, [])


def labelled(session: Session) -> int:
    """Keywords that were labelled once."""
    return sum(row.labels == ["seen"] and row.version == 2 for row in session.scalars(select(Keyword)))


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_ends_the_same(session: Session, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    together = life(session, seed)
    databases.empty(db.engine)
    monkeypatch.setattr(closed_batches, "MOST_PAIRS", 0)
    assert life(session, seed) == together


def life(session: Session, seed: int) -> dict[str, list[Any]]:
    """What became of several accounts, some of which have runs that cannot be executed at once."""
    rng, machine = Random(seed), Machine(session)
    worker = Together(machine)
    rules: Iterator[dict[str, Any]] = iter(
        [
            {"conditions": {"all": [SEARCHED]}},
            {"max_executions_per_day": 3, "when_limited": "skip"},
            {"actions": [LABEL, NOTIFY]},
            {"conditions": {"all": [UNSEEN]}, "batching": rng.choice(["each", "batch"])},
            {},
        ]
    )
    sectors = [labelling(machine, session, f"Account {number}", **rule) for number, rule in enumerate(rules)]
    for sector in rng.sample(sectors, 2):
        account = session.get_one(Account, sector.account_id)
        machine.make_rule(account, actions=[NOTIFY], trigger="run_finished")
    ideas = session.get_one(Account, rng.choice(sectors).account_id)
    machine.make_rule(ideas, actions=[IDEAS], trigger="cluster_created")
    for step in range(3):
        for sector in rng.sample(sectors, len(sectors)):
            import_many(session, sector, rng.randint(1, 5), name=f"{sector.id} {step}")
        if step == 1:
            dispatch_batches(machine.transaction, machine.now)
        else:
            assert not worker.dispatch().failures
    settle(machine)
    assert machine.breaches() == []
    found = outcome(session)
    session.rollback()
    session.expunge_all()
    return found


def outcome(session: Session) -> dict[str, list[Any]]:
    """Rows without their numbers: those depend on which accounts' rows were written first."""
    run, rule = ScheduledTask, AutomationRule
    of_run = (run.account_id, run.rule_name, run.cause, run.part, run.status, run.reason, run.error_message)
    queries = {
        "runs": select(*of_run, run.count, run.record_count, run.result, RunDetail.records, RunDetail.gates)
        .join(RunDetail, RunDetail.run_id == run.id),
        "attempts": select(*of_run, RunAttempt.status).join(RunAttempt, RunAttempt.run_id == run.id),
        "receipts": select(*of_run, ActionRun.step, ActionRun.status)
        .join(ActionRun, ActionRun.run_id == run.id),
        "records": select(RuleRecord.rule_id, RuleRecord.record_id, RuleRecord.state),
        "days": select(RuleDay.rule_id, RuleDay.used),
        "deliveries": select(BatchDelivery.rule_id, BatchDelivery.matched, BatchDelivery.unmatched),
        "keywords": select(Keyword.account_id, Keyword.text, Keyword.labels, Keyword.version),
        "rules": select(rule.id, rule.failures_in_a_row),
    }  # fmt: skip
    return {name: sorted(map(repr, session.execute(query))) for name, query in queries.items()}


def test_an_account_has_one_batch_in_a_transaction(
    machine: Machine, session: Session, sectors: list[Sector]
) -> None:
    """What is executed of a batch counts when the next one is matched."""
    sector = labelling(machine, session, "Labels once", conditions={"all": [UNSEEN]})
    import_many(session, sector, 2)
    ids = session.scalars(select(Keyword.id)).all()
    batch_of(session, sector, ids)
    import_many(session, sectors[0], 2, name="other")
    Together(machine).dispatch()
    counts = select(BatchDelivery.matched, BatchDelivery.unmatched).order_by(BatchDelivery.batch_id)
    assert session.execute(counts).all() == [(2, 0), (0, 2), (2, 0)]


def test_a_batch_that_fails_does_not_keep_back_the_others(
    machine: Machine, session: Session, sectors: list[Sector], monkeypatch: pytest.MonkeyPatch
) -> None:
    for sector in sectors:
        import_many(session, sector, 3, name=f"shoe {sector.id}")
    match, broken = small_batches.match, sectors[1].account_id

    def fail(session: Session, events: Any, rule: AutomationRule, now: Any) -> Any:
        if rule.account_id == broken:
            raise ValueError("not JSON")
        return match(session, events, rule, now)

    monkeypatch.setattr(small_batches, "match", fail)
    done = Together(machine).dispatch()
    assert (done.batches, done.failures) == (4, [])
    assert len(machine.runs(Status.COMPLETED)) == labelled(session) == 12


@pytest.mark.both_databases
def test_runs_whose_common_set_fails_are_opened(
    machine: Machine, session: Session, sectors: list[Sector], monkeypatch: pytest.MonkeyPatch
) -> None:
    for sector in sectors:
        import_many(session, sector, 2, name=f"shoe {sector.id}")
    execute = AtOnce._execute

    def fail(self: AtOnce, session: Session, openings: Openings, tried: list[int]) -> Openings:
        execute(self, session, openings, tried)
        raise Unexpected("Somebody was faster.")

    monkeypatch.setattr(AtOnce, "_execute", fail)
    worker = Together(machine)
    worker.dispatch()
    assert (worker.at_once.failed, len(machine.runs(Status.PENDING)), labelled(session)) == (8, 8, 0)
    settle(machine)
    assert (len(machine.runs(Status.COMPLETED)), labelled(session), machine.breaches()) == (8, 8, [])


def test_an_account_that_waits_keeps_back_no_other(
    machine: Machine, session: Session, sectors: list[Sector]
) -> None:
    import_many(session, sectors[0], 1, name="due before")
    dispatch_batches(machine.transaction, machine.now)
    for sector in sectors:
        import_many(session, sector, 2, name=f"shoe {sector.id}")
    Together(machine).dispatch()
    waiting = [run.account_id for run in machine.runs(Status.PENDING)]
    assert (waiting, labelled(session)) == ([sectors[0].account_id] * 3, 6)
