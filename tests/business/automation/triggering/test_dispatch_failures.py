"""A failure for one rule affects no other: retried, finally recorded as a run that can be retried, and never lost."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.operations.bulk_retry import retry_alone
from app.business.automation.services.triggering import batch_plans, deliveries, dispatch, small_batches
from app.business.automation.services.triggering.dispatch import MOST_TRIES, dispatch_batches
from app.business.errors import Conflict
from app.business.events import EventBatch
from app.business.planner.models import Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, break_rule, import_many, mend_rule


@pytest.fixture
def rules(machine: Machine, session: Session, account: Account) -> list[AutomationRule]:
    """Three rules, of which the middle one is not valid."""
    rules = [
        machine.make_rule(account, name=f"Rule {n}", actions=[LABEL], conditions=SEARCHED) for n in range(3)
    ]
    break_rule(session, rules[1])
    return rules


def try_until_given_up(machine: Machine) -> list[dict[str, Any]]:
    """Dispatch until there is nothing to retry; returns the log lines."""
    lines = []
    for _ in range(MOST_TRIES):
        lines += dispatch_batches(machine.transaction, machine.now).failures
        machine.pass_time(minutes=10)
    return lines


def of_rule(session: Session, rule: AutomationRule) -> BatchDelivery:
    query = select(BatchDelivery).where(BatchDelivery.rule_id == rule.id)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def test_an_unreadable_rule_does_not_starve_others(
    machine: Machine, session: Session, sector: Sector, rules: list[AutomationRule]
) -> None:
    batch = import_many(session, sector, 6)
    (line,) = dispatch_batches(machine.transaction, machine.now).failures
    assert (line["batch"], line["rule"], line["passing"]) == (batch.id, rules[1].id, False)
    assert "gone" in line["error"]
    assert {run.automation_rule_id for run in machine.runs(Status.PENDING)} == {rules[0].id, rules[2].id}
    broken = of_rule(session, rules[1])
    assert (broken.state, broken.attempts) == (Delivery.PENDING, 1)
    assert dispatch_batches(machine.transaction, machine.now).failures == []
    machine.pass_time(seconds=30)
    assert len(dispatch_batches(machine.transaction, machine.now).failures) == 1
    assert (broken.attempts, len(machine.runs(Status.PENDING))) == (2, 2)


def test_a_rule_repaired_before_it_is_given_up_receives_the_batch(
    machine: Machine, session: Session, sector: Sector, rules: list[AutomationRule]
) -> None:
    import_many(session, sector, 6)
    machine.settle()
    mend_rule(session, rules[1], SEARCHED)
    machine.pass_time(minutes=5)
    machine.settle()
    repaired = of_rule(session, rules[1])
    assert (repaired.state, repaired.matched, repaired.unmatched, repaired.runs) == (Delivery.DONE, 3, 3, 1)
    runs = [run for run in machine.runs() if run.automation_rule_id == rules[1].id]
    assert [run.status for run in runs] == [Status.COMPLETED, Status.SKIPPED]
    assert machine.breaches() == []


def test_given_up_it_is_a_failed_run_with_a_notice_and_a_finding_until_it_is_retried(
    machine: Machine, session: Session, account: Account, sector: Sector, rules: list[AutomationRule]
) -> None:
    batch = import_many(session, sector, 6)
    assert len(try_until_given_up(machine)) == MOST_TRIES
    machine.settle()
    (run,) = machine.runs(Status.FAILED)
    assert (run.automation_rule_id, run.reason, run.record_count) == (rules[1].id, Reason.RULE_INVALID, 6)
    assert "it could not be read when 6 keywords came" in run.error_message
    key = f"rule-needs-repair-{rules[1].id}"
    assert session.scalars(select(Notice.title).where(Notice.key == key)).one() == (
        "“Rule 1” needs repair: 6 keywords not looked at"
    )
    machine.pass_time(days=3)
    dispatch_batches(machine.transaction, machine.now)
    finding = f"given_up: ('events {batch.id} for rule {rules[1].id} (run {run.id})',)"
    assert finding in machine.breaches()
    assert unaccounted(session, account.id, machine.now) == 1
    assert session.get(EventBatch, batch.id) is not None
    with pytest.raises(Conflict, match="can still not be read"):
        retry_alone(session, account, run, Actor(None), machine.now)
    session.rollback()
    mend_rule(session, rules[1], SEARCHED)
    retry_alone(session, account, run, Actor(None), machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason, run.part, run.record_count) == (Status.COMPLETED, None, 1, 3)
    repaired = of_rule(session, rules[1])
    assert (repaired.state, repaired.matched, repaired.unmatched, repaired.runs) == (Delivery.DONE, 3, 3, 1)
    assert session.scalars(select(Notice.read_at).where(Notice.key == key)).all() == []
    assert (unaccounted(session, account.id, machine.now), machine.breaches()) == (0, [])


def test_a_retry_that_finds_nothing_to_do_ends_skipped(
    machine: Machine, session: Session, account: Account, sector: Sector, rules: list[AutomationRule]
) -> None:
    import_many(session, sector, 4)
    try_until_given_up(machine)
    (run,) = machine.runs(Status.FAILED)
    mend_rule(session, rules[1], {"field": "volume", "operator": "gte", "value": 5000})
    retry_alone(session, account, run, Actor(None), machine.now)
    machine.settle()
    session.refresh(run)
    assert (run.status, run.reason, run.count) == (Status.SKIPPED, Reason.CONDITIONS, 4)
    assert run.error_message == "4 keywords do not match the conditions."
    assert machine.breaches() == []


def test_an_archived_rule_needs_no_action(
    machine: Machine, session: Session, account: Account, sector: Sector, rules: list[AutomationRule]
) -> None:
    import_many(session, sector, 4)
    try_until_given_up(machine)
    AutomationService().archive(session, rules[1], Actor(None), machine.now)
    machine.settle()
    assert (unaccounted(session, account.id, machine.now), machine.breaches()) == (0, [])


def test_a_failure_while_writing_affects_one_rule_only(
    machine: Machine,
    session: Session,
    sector: Sector,
    rules: list[AutomationRule],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mend_rule(session, rules[1], SEARCHED)
    real = deliveries.open_runs

    def refusing(session: Session, openings: Any, *mine: Any) -> None:
        if any(rule.id == rules[1].id for rule, _ in openings):
            raise ValueError("cannot be written")
        real(session, openings, *mine)

    monkeypatch.setattr(deliveries, "open_runs", refusing)
    import_many(session, sector, 6)
    (line,) = dispatch_batches(machine.transaction, machine.now).failures
    assert (line["rule"], line["error"]) == (rules[1].id, "ValueError: cannot be written")
    assert {run.automation_rule_id for run in machine.runs(Status.PENDING)} == {rules[0].id, rules[2].id}
    monkeypatch.undo()
    machine.pass_time(minutes=1)
    machine.settle()
    assert {run.automation_rule_id for run in machine.runs(Status.COMPLETED)} == {rule.id for rule in rules}
    assert machine.breaches() == []


class BusyError(Exception):
    """What a driver raises; both name what it was."""

    sqlstate = "40001"
    sqlite_errorname = "SQLITE_BUSY"


def test_a_passing_fault_of_the_database_is_not_counted(
    machine: Machine,
    session: Session,
    sector: Sector,
    rules: list[AutomationRule],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mend_rule(session, rules[1], SEARCHED)
    real, faults = dispatch.match, [1] * 7

    def busy(session: Session, events: Any, rule: AutomationRule, now: Any) -> Any:
        if rule.id == rules[1].id and faults:
            raise OperationalError("SELECT", {}, BusyError()) if faults.pop() else AssertionError
        return real(session, events, rule, now)

    for module in (batch_plans, small_batches):
        monkeypatch.setattr(module, "match", busy)
    batch = import_many(session, sector, 6)
    for _ in range(7):
        (line,) = dispatch_batches(machine.transaction, machine.now).failures
        assert (line["batch"], line["passing"]) == (batch.id, True)
    session.refresh(batch)
    assert (batch.dispatched_at, batch.attempts, machine.runs()) == (None, 0, [])
    machine.settle()
    assert len(machine.runs(Status.COMPLETED)) == 3
    assert {row.attempts for row in session.scalars(select(BatchDelivery))} == {0}


def all_of(read: Callable[[Session, EventBatch], Any]) -> Any:
    """What reads several batches."""
    return lambda session, batches: [read(session, batch) for batch in batches]


def test_a_failing_batch_does_not_delay_later_ones(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make_rule(account, actions=[LABEL])
    real = dispatch.read_events
    stuck = [import_many(session, sector, 1, name=f"stuck{n}").id for n in range(3)]

    def locked(session: Session, batch: EventBatch) -> Any:
        if batch.id in stuck:
            raise OperationalError("SELECT", {}, BusyError())
        return real(session, batch)

    monkeypatch.setattr(batch_plans, "read_events", locked)
    monkeypatch.setattr(small_batches, "read_all_events", all_of(locked))
    import_many(session, sector, 2, name="free")
    done = dispatch_batches(machine.transaction, machine.now, most=2)
    assert (done.batches, len(done.failures)) == (1, 3)


def test_an_unreadable_batch_is_retried_for_as_long_as_it_takes(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, 2)

    def broken(_session: Session, _batch: EventBatch) -> Any:
        raise ValueError("not JSON")

    with monkeypatch.context() as patch:
        patch.setattr(batch_plans, "read_events", broken)
        patch.setattr(small_batches, "read_all_events", all_of(broken))
        for _ in range(20):
            dispatch_batches(machine.transaction, machine.now)
            machine.pass_time(hours=2)
    assert (unaccounted(session, account.id, machine.now), len(machine.breaches())) == (1, 1)
    machine.settle()
    assert len(machine.runs(Status.COMPLETED)) == 1
    session.refresh(batch)
    assert (batch.attempts, unaccounted(session, account.id, machine.now)) == (20, 0)


def test_two_dispatchers_of_one_batch_open_its_runs_once(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, 3)
    batch_plans.dispatch_batch(session, batch_plans.plan_batch(session, batch.id, machine.now), machine.now)
    session.commit()
    machine.settle()
    assert len(machine.runs()) == len(session.scalars(select(ScheduledTask)).all()) == 1
    assert set(session.scalars(select(Keyword.status))) == {"new"}
