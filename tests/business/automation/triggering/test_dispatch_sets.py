"""A batch is read once for all its rules and its rows are written in bulk: the number of statements is constant."""

import time
from collections import namedtuple

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.triggering import event_matching
from app.business.automation.services.triggering.closed_batches import MOST_EVENTS
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.event_matching import BatchEvents
from app.business.planner.models import Sector
from tests import query_plans
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, import_many
from tests.factories import make_account, make_sector, make_site
from tests.sampling import FULL

pytestmark = pytest.mark.both_databases

MANY = 50_000 if FULL else 4_000
FEW = 600
SECONDS_EACH_RULE = 0.5
SLACK = 4
"""Machines that are busy with other tests."""


def handed_out(machine: Machine) -> list[str]:
    """The statements of one dispatch."""
    statements: list[str] = []

    def note(*about: object) -> None:
        statements.append(str(about[2]))

    engine = machine.session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert dispatch_batches(machine.transaction, machine.now).failures == []
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return statements


def test_half_of_a_large_import_matches_and_is_dispatched_in_time(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    for number in range(3):
        machine.make_rule(account, name=f"Rule {number}", actions=[LABEL], conditions=SEARCHED)
    import_many(session, sector, MANY)
    began = time.process_time()
    dispatch_batches(machine.transaction, machine.now)
    taken = time.process_time() - began
    for delivery in session.scalars(select(BatchDelivery)).all():
        assert (delivery.matched, delivery.unmatched) == (MANY // 2, MANY // 2)
        assert delivery.runs == -(-MANY // 2 // 500)
    assert taken < 3 * SECONDS_EACH_RULE * SLACK
    assert machine.breaches() == []


def test_a_batch_newer_than_all_statistics_is_matched_in_one_pass(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    """An installation has statistics of earlier imports, and none of the first one of a new account."""
    import_many(session, sector, FEW, name="old")
    dispatch_batches(machine.transaction, machine.now)
    session.execute(text("ANALYZE"))
    session.commit()
    new = make_account(session)
    machine.make_rule(new, actions=[LABEL], conditions=SEARCHED)
    import_many(session, make_sector(session, make_site(session, new)), FEW, name="new")
    with query_plans.selected(session, lambda said: said.endswith("ORDER BY keyword.id")) as asked:
        dispatch_batches(machine.transaction, machine.now)
    session.commit()
    (matching,) = asked
    assert query_plans.read(session, *matching) < 50 * FEW


def test_what_does_not_match_is_found_in_one_pass(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty thousand records without the database: building a set for each of them would take half a minute."""
    rule = machine.make_rule(account, actions=[LABEL])
    batch = import_many(session, sector, 1)
    row = namedtuple("row", "record_type, record_id, site_id, sector_id, data")
    events = BatchEvents(batch, [row("keyword", n, sector.site_id, sector.id, None) for n in range(50_000)])
    monkeypatch.setattr(event_matching, "_matching", lambda *_: list(range(0, 50_000, 2)))
    began = time.process_time()
    found = event_matching.match(session, events, rule, machine.now)
    assert time.process_time() - began < SECONDS_EACH_RULE * SLACK
    assert found is not None
    assert (found.count, len(found.unmatched)) == (25_000, 25_000)


def test_each_record_is_in_exactly_one_run_or_in_the_counted_skip(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL], conditions=SEARCHED)
    machine.make_rule(account, actions=[LABEL], conditions=SEARCHED, batching="each", name="One by one")
    import_many(session, sector, 1_203)
    dispatch_batches(machine.transaction, machine.now)
    together, alone = session.scalars(select(BatchDelivery).order_by(BatchDelivery.rule_id)).all()
    assert (together.matched, together.unmatched, together.runs) == (601, 602, 2)
    assert (alone.matched, alone.unmatched, alone.runs) == (601, 602, 601)
    for delivery in (together, alone):
        runs = session.scalars(
            select(ScheduledTask).where(ScheduledTask.automation_rule_id == delivery.rule_id)
        ).all()
        (skip,) = [run for run in runs if run.part == 0]
        assert (skip.status, skip.reason, skip.count) == (Status.SKIPPED, Reason.CONDITIONS, 602)
        assert skip.error_message == "602 keywords do not match the conditions."
        assert sorted(run.part for run in runs if run.part) == list(range(1, delivery.runs + 1))
        ids = select(RunDetail.records).where(RunDetail.run_id.in_([run.id for run in runs if run.part]))
        taken = [record_id for records in session.scalars(ids) for record_id in records]
        assert len(taken) == len(set(taken)) == 601


@pytest.mark.parametrize("batching", ["batch", "each"])
def test_more_records_take_no_more_statements(
    machine: Machine, session: Session, account: Account, sector: Sector, batching: str
) -> None:
    machine.make_rule(account, actions=[LABEL], conditions=SEARCHED, batching=batching)
    import_many(session, sector, MOST_EVENTS + 1, name="few")
    few = handed_out(machine)
    import_many(session, sector, 800, name="many")
    many = handed_out(machine)
    assert len(many) == len(few)


def test_the_events_are_read_once_however_many_rules_there_are(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    for number in range(5):
        machine.make_rule(account, name=f"Rule {number}", actions=[LABEL], conditions=SEARCHED)
    import_many(session, sector, 20)
    statements = handed_out(machine)
    assert (
        sum("FROM event \nWHERE event.batch_id" in text and "event.data" in text for text in statements) == 1
    )
    assert sum(text.startswith("INSERT INTO scheduled_task") for text in statements) == 1 + 1
    assert sum(text.startswith("INSERT INTO batch_delivery") for text in statements) == 1
