"""Dispatching keeps others from writing only while it writes itself, and goes by the rules of that moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering import batch_plans, dispatch
from app.business.automation.services.triggering.closed_batches import MOST_EVENTS, first_page, take
from app.business.automation.services.triggering.rule_switch import switch
from app.business.events import EVENTS_QUEUE, EventBatch
from app.business.planner.models import Sector
from app.business.row_sets import is_on_postgresql
from app.infrastructure.database import db, only_reading
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, import_many

pytestmark = pytest.mark.both_databases


def test_others_save_while_a_batch_is_matched(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, MOST_EVENTS + 1)
    real, engine = batch_plans.match, db.engine
    account_id, batch_id = account.id, batch.id

    def save_meanwhile(*about: Any) -> Any:
        with only_reading(), Session(engine) as other:
            # Deferred: on SQLite it becomes a writer here, or is refused at once.
            other.execute(update(Account).where(Account.id == account_id).values(name="Saved"))
            other.execute(update(EventBatch).where(EventBatch.id == batch_id).values(error="x"))
            other.commit()
        return real(*about)

    @contextmanager
    def reading() -> Iterator[Session]:
        with only_reading(), machine.transaction() as here:
            yield here

    monkeypatch.setattr(batch_plans, "match", save_meanwhile)
    done = dispatch.dispatch_batches(machine.transaction, machine.now, reading=reading)
    assert (done.batches, done.failures, len(machine.runs(Status.PENDING))) == (1, [], 1)
    session.refresh(account)
    assert account.name == "Saved"


def save(machine: Machine, rule: AutomationRule) -> None:
    changed = definition_of(rule) | {"conditions": {"all": [SEARCHED]}}
    AutomationService().update_rule(machine.session, rule, changed, Actor(None), machine.now)


def switch_off(machine: Machine, rule: AutomationRule) -> None:
    switch(machine.session, rule, False, machine.now)


def archive(machine: Machine, rule: AutomationRule) -> None:
    AutomationService().archive(machine.session, rule, Actor(None), machine.now)


@pytest.mark.parametrize(("change", "records"), [(save, [2]), (switch_off, []), (archive, [])])
def test_a_rule_saved_after_the_match_is_matched_again(
    machine: Machine,
    session: Session,
    account: Account,
    sector: Sector,
    change: Callable[[Machine, AutomationRule], None],
    records: list[int],
) -> None:
    rule = machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, 4)
    plan = batch_plans.plan_batch(session, batch.id, machine.now)
    change(machine, rule)
    assert batch_plans.dispatch_batch(session, plan, machine.now) == []
    session.commit()
    pending = machine.runs(Status.PENDING)
    assert [run.record_count for run in pending] == records
    assert {run.rule_version for run in pending} <= {rule.version}
    machine.settle()
    assert machine.breaches() == []


def test_a_rule_switched_on_after_the_match_is_matched_too(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL])
    switch_off(machine, rule)
    session.commit()
    batch = import_many(session, sector, 4)
    plan = batch_plans.plan_batch(session, batch.id, machine.now)
    switch(session, rule, True, machine.now)
    batch_plans.dispatch_batch(session, plan, machine.now)
    session.commit()
    assert [run.record_count for run in machine.runs(Status.PENDING)] == [4]


def test_a_batch_matched_by_two_dispatchers_is_dispatched_by_one(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, 4)
    plans = [batch_plans.plan_batch(session, batch.id, machine.now) for _ in range(2)]
    for plan in plans:
        batch_plans.dispatch_batch(session, plan, machine.now)
        session.commit()
    machine.settle()
    assert [run.record_count for run in machine.runs()] == [4]


def test_a_batch_that_a_worker_has_taken_is_left_out_by_others(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    """Without waiting for one another where several can write."""
    machine.make_rule(account, actions=[LABEL])
    batches = [import_many(session, sector, 2, name=f"part {number}.").id for number in range(2)]
    page = first_page(session, machine.now, 10)
    session.commit()
    with Session(db.engine) as other:
        (first,) = take(session, page[:1], machine.now)
        if db.engine.dialect.name == "sqlite":
            session.commit()
        (second,) = take(other, page, machine.now)
        assert ([first.id, second.id], take(other, page, machine.now)) == (batches, [])
        other.rollback()
    session.commit()
    assert dispatch.dispatch_batches(machine.transaction, machine.now).batches == 1
    assert len(machine.runs(Status.PENDING)) == 1


@pytest.mark.both_databases
def test_another_worker_is_called_once_for_several_batches_where_it_can_write_meanwhile(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(dispatch, "wake", lambda _session, queues: called.extend(queues))
    machine.make_rule(account, actions=[LABEL])
    import_many(session, sector, 2, name="alone")
    dispatch.dispatch_batches(machine.transaction, machine.now)
    assert called == []
    for number in range(3):
        import_many(session, sector, 2, name=f"part {number}.")
    dispatch.dispatch_batches(machine.transaction, machine.now)
    assert called == ([EVENTS_QUEUE] if is_on_postgresql(session) else [])
