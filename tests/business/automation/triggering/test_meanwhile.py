"""A rule that stopped itself offers records that arrived in the meantime when it is switched on again."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.meanwhile import records_meanwhile
from app.business.planner.models import Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import SEARCHED, import_many


@pytest.fixture
def stopped(machine: Machine, session: Session, account: Account, sector: Sector) -> AutomationRule:
    """It has processed ten keywords and stopped with a waiting run; ten more keywords were added since."""
    rule = machine.make_rule(account, actions=[LABEL], conditions=SEARCHED, stop_after_failures=1)
    import_many(session, sector, 10, name="before")
    machine.settle()
    machine.pass_time(minutes=5)
    import_many(session, sector, 6, name="waiting", now=machine.now)
    rule.failures_in_a_row, rule.failing_since = 1, machine.now
    session.commit()
    AutomationService().disable(session, rule, Actor(None), machine.now)
    rule.stopped_at = machine.now
    session.commit()
    return rule


def labelled(session: Session) -> list[str]:
    rows = session.execute(select(Keyword.text, Keyword.labels).order_by(Keyword.id)).all()
    return [text for text, labels in rows if labels == ["seen"]]


def test_it_takes_what_came_since_and_each_record_once(
    machine: Machine, session: Session, account: Account, sector: Sector, stopped: AutomationRule
) -> None:
    machine.settle()
    machine.pass_time(minutes=5)
    import_many(session, sector, 10, name="since", now=machine.now)
    machine.settle()
    assert len(labelled(session)) == 5
    machine.pass_time(minutes=5)
    assert len(records_meanwhile(session, stopped, stopped.stopped_at, machine.now)) == 3 + 5
    AutomationService().enable(session, stopped, Actor(None), machine.now, backfill=True)
    session.commit()
    machine.settle()
    assert len(labelled(session)) == 5 + 3 + 5
    taken = select(RunDetail.records).join(ScheduledTask, ScheduledTask.id == RunDetail.run_id)
    done = session.scalars(taken.where(ScheduledTask.status == Status.COMPLETED)).all()
    ids = [record_id for records in done for record_id in records]
    assert len(ids) == len(set(ids)) == 13
    assert machine.breaches() == []


def test_a_run_that_had_not_begun_is_executed(
    machine: Machine, session: Session, account: Account, sector: Sector, stopped: AutomationRule
) -> None:
    stopped.is_active = True
    session.commit()
    # The batch is dispatched while the rule is on, and the turn of its run comes when the rule is off.
    dispatch_batches(machine.transaction, machine.now)
    stopped.is_active = False
    session.commit()
    machine.settle()
    assert [run.reason for run in machine.runs(Status.SKIPPED)].count(Reason.INACTIVE) == 1
    assert len(records_meanwhile(session, stopped, stopped.stopped_at, machine.now)) == 3
    AutomationService().enable(session, stopped, Actor(None), machine.now, backfill=True)
    session.commit()
    machine.settle()
    assert len(labelled(session)) == 8


def test_without_confirmation_nothing_of_it_is_taken(
    machine: Machine, session: Session, stopped: AutomationRule
) -> None:
    dispatch_batches(machine.transaction, machine.now)
    AutomationService().enable(session, stopped, Actor(None), machine.now, backfill=False)
    session.commit()
    machine.settle()
    assert (stopped.stopped_at, len(labelled(session))) == (None, 5)
