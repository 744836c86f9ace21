"""A batch that starts many runs is handed over in several transactions: each record once, wherever it is stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, pairwise
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering import closed_batches, deliveries
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.rule_switch import switch
from app.business.planner.models import Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, import_many
from tests.factories import make_account, make_sector, make_site

AT_ONCE, KEYWORDS, MATCHING = 5, 24, 12


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MOST_RUNS", AT_ONCE)
    monkeypatch.setattr(closed_batches, "MOST_EVENTS", AT_ONCE)


@pytest.fixture
def rule(machine: Machine, account: Account) -> AutomationRule:
    rule = {"actions": [LABEL], "conditions": SEARCHED, "batching": "each", "max_executions_per_day": 100}
    return machine.make_rule(account, **rule)


class Killed(BaseException):
    """The process ends here."""


def dies(machine: Machine, at: int, *, after_commit: bool) -> Callable[[], Any]:
    """Transactions of a process that is killed at its `at`-th commit."""
    commits = 0

    @contextmanager
    def transaction() -> Iterator[Session]:
        nonlocal commits
        commits += 1
        is_last = commits == at
        with machine.transaction() as session:
            yield session
            if is_last and not after_commit:
                raise Killed
        if is_last:
            raise Killed

    return transaction


def parts_of(session: Session, rule: AutomationRule) -> list[tuple[int, list[int]]]:
    """Part and records of each run."""
    query = (
        select(ScheduledTask.part, RunDetail.records)
        .join(RunDetail, RunDetail.run_id == ScheduledTask.id)
        .where(ScheduledTask.automation_rule_id == rule.id, ScheduledTask.part > 0)
    )
    return [(part, records) for part, records in session.execute(query.order_by(ScheduledTask.part))]


def hands_over_once(machine: Machine, rule: AutomationRule) -> None:
    """Each matching record is in exactly one run, and the others are counted."""
    session = machine.session
    matching = session.scalars(select(Keyword.id).where(Keyword.volume >= 100).order_by(Keyword.id)).all()
    assert parts_of(session, rule) == [(number, [key]) for number, key in enumerate(matching, 1)]
    query = select(BatchDelivery).where(BatchDelivery.rule_id == rule.id)
    done = session.scalars(query.execution_options(populate_existing=True)).one()
    assert (done.state, done.planned, done.matched, done.unmatched, done.runs) == (
        Delivery.DONE, None, MATCHING, KEYWORDS - MATCHING, MATCHING,
    )  # fmt: skip
    assert machine.breaches() == []


@pytest.mark.both_databases
def test_no_transaction_opens_more_runs_than_it_may(
    machine: Machine, session: Session, account: Account, sector: Sector, rule: AutomationRule
) -> None:
    together = machine.make_rule(account, name="Together", actions=[LABEL])
    import_many(session, sector, KEYWORDS)
    counts = [0]

    @contextmanager
    def counted() -> Iterator[Session]:
        with machine.transaction() as here:
            yield here
            counts.append(here.scalar(select(func.count(ScheduledTask.id))) or 0)

    assert dispatch_batches(counted, machine.now).failures == []
    opened = [after - before for before, after in pairwise(counts)]
    skipped = 1
    assert max(opened) <= AT_ONCE + skipped
    assert counts[-1] == MATCHING + skipped + len(parts_of(session, together))
    hands_over_once(machine, rule)
    machine.settle()
    assert len(machine.runs(Status.COMPLETED)) == MATCHING + 1


def test_others_events_come_in_between_the_parts_of_a_large_batch(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule
) -> None:
    import_many(session, sector, KEYWORDS)
    first = dispatch_batches(machine.transaction, machine.now, is_over=over_after(2))
    assert (first.has_more, first.batches, len(parts_of(session, rule))) == (True, 1, AT_ONCE)
    other = make_account(session, name="Other")
    others = machine.make_rule(other, actions=[LABEL], batching="each")
    import_many(session, make_sector(session, make_site(session, other)), 1, name="lamp")
    second = dispatch_batches(machine.transaction, machine.now, is_over=over_after(1))
    assert (second.has_more, second.batches) == (True, 1)
    assert len(parts_of(session, others)) == 1
    assert len(parts_of(session, rule)) == AT_ONCE
    third = dispatch_batches(machine.transaction, machine.now, is_over=over_after(1))
    assert (third.has_more, len(parts_of(session, rule))) == (True, 2 * AT_ONCE)
    assert not dispatch_batches(machine.transaction, machine.now).has_more
    hands_over_once(machine, rule)


def over_after(times: int) -> Callable[[], bool]:
    """False so many times, and true from then on."""
    asked = count(1)
    return lambda: next(asked) > times


@pytest.mark.both_databases
@pytest.mark.parametrize("after_commit", [False, True])
def test_killed_at_any_commit_it_goes_on_where_it_was(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule, after_commit: bool
) -> None:
    at, has_ended = 1, False
    while not has_ended:
        session.execute(update(Keyword).values(volume=0))
        import_many(session, sector, KEYWORDS, name=f"shoe {at}.")
        has_ended = ends(dies(machine, at, after_commit=after_commit), machine)
        dispatch_batches(machine.transaction, machine.now)
        hands_over_once(machine, rule)
        forget(session)
        at += 1
    assert at > 1 + MATCHING // AT_ONCE


def ends(transaction: Callable[[], Any], machine: Machine) -> bool:
    """Whether it is over before the process is killed."""
    try:
        dispatch_batches(transaction, machine.now)
    except Killed:
        return False
    return True


def forget(session: Session) -> None:
    """What the batch has started."""
    for model in (RunDetail, ScheduledTask, BatchDelivery):
        session.execute(delete(model))
    session.commit()


def stop_after_first_part(machine: Machine) -> None:
    with pytest.raises(Killed):
        # The look, the match, the first transaction, the look for open deliveries, the first part.
        dispatch_batches(dies(machine, 5, after_commit=True), machine.now)
    assert len(machine.runs(Status.PENDING)) == AT_ONCE


def test_a_rule_saved_between_two_parts_takes_what_it_asks_for_now(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule
) -> None:
    import_many(session, sector, KEYWORDS)
    stop_after_first_part(machine)
    session.execute(
        update(Keyword)
        .where(Keyword.id.in_([records[0] for _, records in parts_of(session, rule)]))
        .values(volume=5)
    )
    last = session.scalars(select(Keyword.id).order_by(Keyword.id.desc()).limit(1)).one()
    session.execute(update(Keyword).where(Keyword.id == last).values(volume=7))
    changed = definition_of(rule) | {
        "conditions": {"all": [{"field": "volume", "operator": "gte", "value": 50}]}
    }
    AutomationService().update_rule(session, rule, changed, Actor(None), machine.now)
    session.commit()
    dispatch_batches(machine.transaction, machine.now)
    done = session.scalars(select(BatchDelivery)).one()
    assert (done.state, done.matched, done.unmatched, done.runs) == (Delivery.DONE, 11, 13, 11)
    records = [record for _, records in parts_of(session, rule) for record in records]
    assert len(records) == len(set(records)) == 11
    assert last not in records
    assert machine.breaches() == []


def test_a_rule_of_another_record_type_takes_nothing_more(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule
) -> None:
    import_many(session, sector, KEYWORDS)
    stop_after_first_part(machine)
    changed = definition_of(rule) | {
        "trigger": "cluster_created", "record_type": "cluster", "conditions": {},
    }  # fmt: skip
    AutomationService().update_rule(session, rule, changed, Actor(None), machine.now)
    session.commit()
    dispatch_batches(machine.transaction, machine.now)
    done = session.scalars(select(BatchDelivery)).one()
    assert (done.state, done.matched, done.unmatched, done.runs) == (Delivery.DONE, AT_ONCE, 19, AT_ONCE)
    assert machine.breaches() == []


def test_a_rule_switched_off_between_two_parts_still_gets_a_row_for_each_record(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule
) -> None:
    import_many(session, sector, KEYWORDS)
    stop_after_first_part(machine)
    switch(session, rule, False, machine.now)
    session.commit()
    machine.settle()
    hands_over_once(machine, rule)
    assert {run.status for run in machine.runs()} == {Status.SKIPPED}


def test_a_part_that_fails_is_tried_again(
    machine: Machine, session: Session, sector: Sector, rule: AutomationRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_many(session, sector, KEYWORDS)
    real, faults = deliveries.open_runs, [False, True]

    def refusing(session: Session, openings: Any, *mine: Any) -> None:
        if openings and faults and faults.pop(0):
            raise ValueError("cannot be written")
        real(session, openings, *mine)

    monkeypatch.setattr(deliveries, "open_runs", refusing)
    (line,) = dispatch_batches(machine.transaction, machine.now).failures
    assert line["error"] == "ValueError: cannot be written"
    assert len(parts_of(session, rule)) == AT_ONCE
    machine.pass_time(minutes=1)
    assert dispatch_batches(machine.transaction, machine.now).failures == []
    hands_over_once(machine, rule)
