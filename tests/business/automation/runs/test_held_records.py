"""Records held by another run of the rule: free ones are processed, held ones follow, a run without free ones waits."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import commands, recovery
from app.business.automation.services.runs.held_records import held_until, holder_of
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.why.explanation import why
from app.business.planner.models import Cluster, Keyword, Sector
from tests.business.automation.held_world import DyingMachine
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords
from tests.factories import make_keyword

pytestmark = pytest.mark.both_databases

SCHEDULED = {"trigger": "schedule", "schedule": HOURLY}


@pytest.fixture
def machine(session: Session) -> DyingMachine:
    return DyingMachine(session)


def start(machine: DyingMachine, rule: AutomationRule, *ids: int, cause: str = "manual") -> ScheduledTask:
    """A run of the rule over these records, or over those that match, that has not begun."""
    actor = Actor(None, api_key_id=1 if cause == "api" else None)
    if cause in ("manual", "api"):
        run = AutomationService().execute(
            machine.session, rule, actor, machine.now, record_ids=list(ids) or None
        )
    else:
        opening = Opening(cause, machine.now, records=list(ids) or None, promised=len(ids) or None)
        run = open_run(machine.session, rule, opening)
    machine.session.commit()
    return run


def held_by_a_dead_run(machine: DyingMachine, rule: AutomationRule, *ids: int) -> ScheduledTask:
    run = start(machine, rule, *ids)
    machine.dies = lambda: True
    machine.look_around()
    machine.dies = lambda: False
    machine.session.refresh(run)
    assert run.status == Status.RUNNING
    return run


def states(session: Session) -> dict[int, str]:
    query = select(RuleRecord.record_id, RuleRecord.state)
    return {row.record_id: row.state for row in session.execute(query)}


@pytest.mark.parametrize("cause", ["schedule", "event", "manual", "api", "backfill"])
def test_a_run_whose_records_are_all_held_waits_for_the_run_that_holds_them(
    machine: DyingMachine, session: Session, account: Account, sector: Sector, cause: str
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(3)]
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL], repeat="always")
    holder = held_by_a_dead_run(machine, rule, *keywords)
    given = () if cause == "schedule" else keywords
    run = start(machine, rule, *given, cause=cause)
    machine.look_around()
    session.refresh(run)
    assert (run.status, run.waiting_for, run.waits_for_run_id) == (Status.PENDING, "previous", holder.id)
    assert run.error_message == f"Run {holder.id} of this rule holds 3 keywords that this run works on."
    machine.pass_time(seconds=75)
    machine.sweep()
    for ended in (holder, run):
        session.refresh(ended)
        assert (ended.status, ended.record_count) == (Status.COMPLETED, 3), cause
    assert run.waits_for_run_id is None
    # The planned one stands at no time of its rule.
    assert machine.breaches() == [] or cause == "schedule"


def test_matching_records_that_are_held_are_promised_and_priced_by_a_start(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    clusters = clusters_with_keywords(session, sector, 2)
    rule = machine.make_rule(account, **SCHEDULED, actions=[IDEAS])
    holder = held_by_a_dead_run(machine, rule, *clusters)
    run = start(machine, rule)
    machine.look_around()
    session.refresh(run)
    assert (run.waits_for_run_id, run.promised, run.max_credits) == (holder.id, 2, 10)
    commands.cancel(session, holder, machine.now)
    machine.pass_time(seconds=75)
    machine.sweep()
    session.refresh(run)
    assert (run.status, run.record_count, run.credits_used) == (Status.COMPLETED, 2, 10)
    assert machine.breaches() == []


@pytest.mark.parametrize("cause", ["event", "manual", "api", "backfill"])
def test_a_run_processes_free_records_and_the_rest_follows(
    machine: DyingMachine, session: Session, account: Account, sector: Sector, cause: str
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(3)]
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL], repeat="always")
    holder = held_by_a_dead_run(machine, rule, *keywords[:2])
    run = start(machine, rule, *keywords, cause=cause)
    machine.look_around()
    session.refresh(run)
    (following,) = session.scalars(select(ScheduledTask).where(ScheduledTask.follows_id == run.id)).all()
    assert (run.status, run.record_count) == (Status.COMPLETED, 1)
    assert run.result["notes"] == [
        f"2 keywords left out: run {holder.id} of this rule holds them now. They follow when it has ended."
    ]
    assert (following.waiting_for, following.waits_for_run_id) == (Waiting.PREVIOUS, holder.id)
    machine.pass_time(seconds=75)
    machine.sweep()
    session.refresh(following)
    assert (following.status, following.record_count) == (Status.COMPLETED, 2)
    assert machine.breaches() == []


def test_a_planned_run_names_what_it_left_to_another(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(2)]
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL])
    holder = held_by_a_dead_run(machine, rule, keywords[0])
    run = start(machine, rule, cause="schedule")
    machine.look_around()
    session.refresh(run)
    assert (run.status, run.record_count) == (Status.COMPLETED, 1)
    assert run.result["notes"] == [
        f"1 keyword left out: run {holder.id} of this rule holds it now. "
        "What it leaves is taken at the next planned time."
    ]


def test_a_rule_that_asks_for_more_records_waits_for_held_ones(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(3)]
    rule = machine.make_rule(
        account, **SCHEDULED, record_type="keyword", actions=[LABEL], record_minimum=3, repeat="always"
    )
    holder = held_by_a_dead_run(machine, rule, keywords[0])
    run = start(machine, rule, cause="schedule")
    machine.look_around()
    session.refresh(run)
    assert run.waits_for_run_id == holder.id
    machine.pass_time(seconds=75)
    machine.sweep()
    session.refresh(run)
    assert (run.status, run.record_count) == (Status.COMPLETED, 3)


def test_a_retry_waits_for_the_run_that_holds_its_records(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    (keyword,) = [make_keyword(session, sector).id]
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL], repeat="always")
    machine.fails = lambda: True
    failed = start(machine, rule, keyword)
    machine.look_around()
    machine.fails = lambda: False
    holder = held_by_a_dead_run(machine, rule, keyword)
    session.refresh(failed)
    commands.retry(session, failed, machine.now)
    machine.look_around()
    session.refresh(failed)
    assert (failed.status, failed.waits_for_run_id) == (Status.PENDING, holder.id)
    commands.cancel(session, holder, machine.now)
    machine.pass_time(seconds=75)
    machine.sweep()
    session.refresh(failed)
    session.refresh(holder)
    assert (holder.status, failed.status) == (Status.FAILED, Status.COMPLETED)
    assert machine.breaches() == []


def test_a_run_that_waits_for_its_turn_is_not_held_up_by_one_that_waits_for_its_records(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(2)]
    rule = machine.make_rule(account, actions=[LABEL])
    later = open_run(session, rule, Opening("event", machine.now, records=[keywords[0]], promised=1))
    later.waiting_for = Waiting.DAY
    machine.pass_time(seconds=1)
    holder = open_run(session, rule, Opening("event", machine.now, records=keywords, promised=2))
    machine.dies = lambda: True
    machine.look_around()
    machine.dies = lambda: False
    later.waiting_for = None
    machine.pass_time(seconds=61)
    with machine.transaction():
        recovery.rescue(machine.transaction, machine.clock)
    holder.waiting_for = Waiting.PREVIOUS  # it lost its turn to the earlier run
    session.commit()
    for _ in range(3):
        machine.sweep()
        machine.pass_time(seconds=15)
    for run in (holder, later):
        session.refresh(run)
        assert run.status == Status.COMPLETED


def test_a_run_that_waits_for_records_does_not_replace_a_planned_one(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    keywords = [make_keyword(session, sector).id for _ in range(2)]
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL], repeat="always")
    held_by_a_dead_run(machine, rule, *keywords)
    planned = start(machine, rule, cause="schedule")
    machine.look_around()
    machine.pass_time(seconds=1)
    by_hand = start(machine, rule, *keywords)
    machine.look_around()
    for run in (planned, by_hand):
        session.refresh(run)
        assert (run.status, run.waiting_for) == (Status.PENDING, Waiting.PREVIOUS)
    machine.pass_time(seconds=75)
    machine.sweep()
    for run in (planned, by_hand):
        session.refresh(run)
        assert (run.status, run.record_count) == (Status.COMPLETED, 2)


def running(_machine: DyingMachine, _holder: ScheduledTask) -> str:
    return "Run {id} is working on it now and lets go when it ends."


def silent(machine: DyingMachine, _holder: ScheduledTask) -> str:
    machine.pass_time(seconds=61)
    return "Run {id} does not answer any more; it is taken up again by 24 Nov 09:02 (Europe/London) at the latest."


def waits(machine: DyingMachine, holder: ScheduledTask) -> str:
    holder.status, holder.waiting_for, holder.waiting_since = Status.PENDING, Waiting.CREDITS, machine.now
    return "Run {id} waits for credits, until 24 Dec 09:00 (Europe/London) at most."


def tried_again(machine: DyingMachine, holder: ScheduledTask) -> str:
    machine.pass_time(minutes=-5)
    holder.status, holder.not_before = Status.PENDING, machine.now.replace(minute=59)
    return "Run {id} is tried again at 24 Nov 08:59 (Europe/London)."


@pytest.mark.parametrize("becomes", [running, silent, waits, tried_again])
def test_pages_say_which_run_holds_a_record_and_until_when(
    machine: DyingMachine,
    session: Session,
    account: Account,
    sector: Sector,
    becomes: Callable[[Any, Any], str],
) -> None:
    account.timezone = "Europe/London"
    keyword = make_keyword(session, sector)
    rule = machine.make_rule(account, **SCHEDULED, record_type="keyword", actions=[LABEL])
    holder = held_by_a_dead_run(machine, rule, keyword.id)
    run = start(machine, rule, keyword.id)
    machine.look_around()
    session.refresh(run)
    said = becomes(machine, holder).format(id=holder.id)
    waits_for = holder_of(session, run)
    assert waits_for is holder
    assert held_until(holder, account.timezone, machine.now) == said
    taken = why(session, rule, session.get_one(Keyword, keyword.id), machine.now).checks[-1]
    assert taken["result"] == "stop"
    assert taken["message"] == f"Run {holder.id} of this rule holds it now. {said}"


def test_a_record_whose_holder_was_given_up_is_free_again(
    machine: DyingMachine, session: Session, account: Account, sector: Sector
) -> None:
    (cluster,) = clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, **SCHEDULED, actions=[LABEL, IDEAS])
    holder = held_by_a_dead_run(machine, rule, cluster)
    machine.dies = lambda: True
    for _ in range(2):
        machine.pass_time(seconds=75)
        machine.sweep()
    session.refresh(holder)
    assert holder.status == Status.RUNNING
    machine.pass_time(seconds=75)
    machine.sweep()
    session.refresh(holder)
    assert (holder.status, states(session)) == (Status.FAILED, {cluster: "free"})
    assert session.get_one(Cluster, cluster).labels == []
