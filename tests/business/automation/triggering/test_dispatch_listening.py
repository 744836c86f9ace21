"""Which rules a batch starts, on which of its records, and in which runs."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.delivery_models import BatchDelivery
from app.business.automation.models import AutomationRule, RuleDay
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.events import Event, EventType
from app.business.planner.models import Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, batch_of, import_many
from tests.factories import NOW, make_idea, make_keyword, make_sector, make_site

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}


@pytest.fixture
def other(session: Session, account: Account) -> Sector:
    """A sector of another site of the account."""
    return make_sector(session, make_site(session, account, timezone="Asia/Tokyo"))


def taken(session: Session, rule: AutomationRule) -> list[list[int] | None]:
    """The records of each run that was opened, in order."""
    query = select(RunDetail.records).join(ScheduledTask, ScheduledTask.id == RunDetail.run_id)
    of_rule = query.where(ScheduledTask.automation_rule_id == rule.id, ScheduledTask.part > 0)
    return list(session.scalars(of_rule.order_by(ScheduledTask.part)))


def test_only_the_requested_status_starts_it(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ideas = [make_idea(session, sector).id for _ in range(4)]
    options = {"record_type": "idea", "to": ["accepted", "used"]}
    accepted, any_change = (
        machine.make_rule(
            account, name=f"Rule {n}", trigger="status_changed", trigger_options=chosen, actions=[LABEL]
        )
        for n, chosen in enumerate((options, {"record_type": "idea"}))
    )
    change = {"type": EventType.STATUS_CHANGED, "record_type": "idea"}
    batch_of(session, sector, ideas[:2], data={"from": "new", "to": "accepted"}, **change)
    batch_of(session, sector, ideas[2:], data={"from": "new", "to": "rejected"}, **change)
    dispatch_batches(machine.transaction, machine.now)
    assert taken(session, accepted) == [ideas[:2]]
    assert taken(session, any_change) == [ideas[:2], ideas[2:]]


def test_a_rule_gets_nothing_outside_its_scope(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    rules = [
        machine.make_rule(account, name=f"Rule {n}", actions=[LABEL], **place)
        for n, place in enumerate(({}, {"site": sector.site_id}, {"site": other.site_id, "sector": other.id}))
    ]
    here = batch_of(session, sector, [make_keyword(session, sector).id])
    there = batch_of(session, other, [make_keyword(session, other).id])
    dispatch_batches(machine.transaction, machine.now)
    pairs = session.execute(select(BatchDelivery.rule_id, BatchDelivery.batch_id)).all()
    everywhere, site, part = (rule.id for rule in rules)
    assert sorted(map(tuple, pairs)) == [
        (everywhere, here.id), (everywhere, there.id), (site, here.id), (part, there.id),
    ]  # fmt: skip


def test_the_end_of_a_run_starts_the_rules_that_ask_for_it_and_never_itself(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector)
    worker, another = (
        machine.make_rule(
            account, name=name, trigger="schedule", schedule=HOURLY, actions=[LABEL], record_type="keyword"
        )
        for name in ("Worker", "Another")
    )
    rules = {
        name: machine.make_rule(account, name=name, trigger="run_finished", trigger_options=options, actions=[NOTIFY])
        for name, options in {
            "completed": {"status": "completed", "rule_id": worker.id},
            "failed": {"status": "failed"},
            "of another": {"rule_id": another.id},
        }.items()
    }  # fmt: skip
    machine.run_now(worker)
    counts = {name: len(taken(session, rule)) for name, rule in rules.items()}
    assert counts == {"completed": 1, "failed": 0, "of another": 0}


def test_a_rule_made_after_the_events_does_not_get_them(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    import_many(session, sector, 2, now=NOW - timedelta(hours=1))
    rule = machine.make_rule(account, actions=[LABEL])
    dispatch_batches(machine.transaction, machine.now)
    assert taken(session, rule) == []


def test_urgent_rules_come_first(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    later, first = (machine.make_rule(account, name=f"Rule {n}", actions=[LABEL], priority=n) for n in (5, 1))
    import_many(session, sector, 2)
    dispatch_batches(machine.transaction, machine.now)
    assert [run.automation_rule_id for run in machine.runs()] == [first.id, later.id]


@pytest.mark.parametrize("batching", ["batch", "each"])
def test_split_by_site_it_runs_once_for_each_site_and_the_limits_count_for_each(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector, batching: str
) -> None:
    rule = machine.make_rule(
        account,
        actions=[LABEL],
        conditions=SEARCHED,
        split_by="site",
        batching=batching,
        max_executions_per_day=2,
    )
    pages = [make_keyword(session, place, volume=500) for place in (sector, other, sector, other)]
    low = make_keyword(session, other, volume=1)
    mixed = batch_of(session, sector, [page.id for page in pages[::2]])
    for page in (pages[1], pages[3], low):
        session.add(_event_of(mixed.id, page))
    session.commit()
    machine.settle()
    runs = [run for run in machine.runs() if run.part]
    expected = [[pages[0].id, pages[2].id], [pages[1].id, pages[3].id]]
    if batching == "each":
        expected = [[record_id] for records in expected for record_id in records]
    assert taken(session, rule) == expected
    assert (
        {run.site_id for run in runs}
        == {run.split_site_id for run in runs}
        == {sector.site_id, other.site_id}
    )
    assert {run.status for run in runs} == {Status.COMPLETED}
    used = dict(session.execute(select(RuleDay.split_site_id, RuleDay.used)).all())
    each = 2 if batching == "each" else 1
    assert used == {sector.site_id: each, other.site_id: each}
    (skip,) = machine.runs(Status.SKIPPED)
    assert (skip.count, skip.part) == (1, 0)
    assert machine.breaches() == []


def _event_of(batch_id: int, page: Keyword) -> Event:
    return Event(
        account_id=page.account_id, batch_id=batch_id, record_type="keyword", record_id=page.id,
        site_id=page.site_id, sector_id=page.sector_id,
    )  # fmt: skip


def test_conditions_on_the_hour_are_read_in_the_time_of_each_site(
    machine: Machine, session: Session, account: Account, sector: Sector, other: Sector
) -> None:
    in_the_evening = {"field": "now.hour", "operator": "gte", "value": 18}
    rule = machine.make_rule(account, actions=[LABEL], split_by="site", conditions=in_the_evening)
    day, evening = make_keyword(session, sector), make_keyword(session, other)
    batch_of(session, sector, [day.id])
    batch_of(session, other, [evening.id])
    machine.settle()
    assert taken(session, rule) == [[evening.id]]


def test_what_was_due_when_a_rule_is_switched_off_is_not_delivered_later(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, actions=[LABEL])
    AutomationService().disable(session, rule, Actor(None), machine.now)
    import_many(session, sector, 2)
    dispatch_batches(machine.transaction, machine.now)
    AutomationService().enable(session, rule, Actor(None), machine.now, backfill=False)
    machine.settle()
    assert machine.runs() == []
