"""Waking runs that wait: what it looks at stays small, and workers that wake at once never block each other."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import insert, inspect, literal, select, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status, Waiting
from app.business.automation.services.runs import waiting
from app.business.planner.models import Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.run_rows import make_run
from tests.factories import NOW, make_keyword


def event_run(
    session: Session, rule: AutomationRule, status: Status = Status.PENDING, **values: object
) -> ScheduledTask:
    return make_run(session, rule, NOW, status, cause=Cause.EVENT, **values)


@pytest.mark.both_databases
def test_workers_that_wake_the_same_runs_do_not_block_each_other(machine: Machine, account: Account) -> None:
    first = machine.session
    if first.get_bind().dialect.name != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
    rule = machine.make_rule(account, actions=[LABEL])
    closed = event_run(first, rule, Status.COMPLETED)
    turn = event_run(first, rule, waiting_for=Waiting.PREVIOUS, waiting_since=NOW)
    poor = event_run(first, rule, waiting_for=Waiting.CREDITS, waiting_since=NOW, credits_needed=1)
    first.commit()
    has_begun, engine = Event(), db.engine

    def wake_in_other_order() -> None:
        with Session(engine) as second:
            waiting.wake_next_in_turn(second, second.get_one(ScheduledTask, closed.id))
            has_begun.set()
            waiting.wake_for_credits(second, account.id)
            second.commit()

    with ThreadPoolExecutor(1) as pool:
        waiting.wake_for_credits(first, account.id)
        done = pool.submit(wake_in_other_order)
        assert has_begun.wait(10)
        waiting.wake_next_in_turn(first, closed)
        first.commit()
        done.result()
    first.expire_all()
    assert (turn.waiting_for, poor.waiting_for) == (None, None)


@pytest.mark.both_databases
def test_the_next_in_turn_is_found_by_an_index(machine: Machine, account: Account) -> None:
    session = machine.session
    run = event_run(session, machine.make_rule(account, actions=[LABEL]))
    waits = {"waiting_for": Waiting.PREVIOUS, "waiting_since": NOW}
    columns = [column for column in inspect(ScheduledTask).columns if column.key != "id"]
    values = [literal(waits[column.key]) if column.key in waits else column for column in columns]
    for _ in range(10):
        doubled = insert(ScheduledTask).from_select(columns, select(*values))
        session.execute(doubled)
    session.execute(text("ANALYZE"))
    explain = "EXPLAIN QUERY PLAN" if session.get_bind().dialect.name == "sqlite" else "EXPLAIN"
    query = waiting.next_in_turn(run).compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    plan = str(session.execute(text(f"{explain} {query}")).all())
    assert "ix_scheduled_task_waiting_of_rule" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_a_skipped_run_leaves_its_place_of_the_day_to_another(
    machine: Machine, account: Account, sector: Sector
) -> None:
    session = machine.session
    condition = {"field": "text", "operator": "contains", "value": "shoe"}
    rule = machine.make_rule(
        account, actions=[LABEL], conditions={"all": [condition]}, max_executions_per_day=1
    )
    sleeping = {"waiting_for": Waiting.DAY, "waiting_since": NOW, "not_before": NOW, "record_type": "keyword"}
    for word in ("hat", "shoe"):
        run = event_run(session, rule, reason=Reason.DAILY_LIMIT, **sleeping)
        keyword = make_keyword(session, sector, text=word)
        chosen = update(RunDetail).where(RunDetail.run_id == run.id).values(records=[keyword.id])
        session.execute(chosen)
    machine.settle()
    assert [run.status for run in machine.runs()] == [Status.SKIPPED, Status.COMPLETED]
