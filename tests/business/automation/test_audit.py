"""The audit finds what is wrong: each kind of damage is named; a healthy installation has none."""

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import RuleDay
from app.business.automation.run_models import ActionRun, RunAttempt, ScheduledTask
from app.business.automation.services import audit
from app.business.billing.models import CreditHold
from app.business.events import EventBatch
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.test_promises import HOURLY, IDEAS, clusters_with_keywords
from tests.factories import NOW

DAMAGE = {
    "balance": [update(Account).values(credits_balance=Account.credits_balance + 1)],
    "held": [update(Account).values(credits_held=1)],
    "run_credits": [update(ScheduledTask).where(ScheduledTask.credits_used > 0).values(credits_used=1)],
    "holds_closed": [update(CreditHold).values(state="open")],
    "leases": [update(ScheduledTask).where(ScheduledTask.credits_used > 0).values(status="running")],
    "daily_slots": [update(RuleDay).values(used=RuleDay.used + 1)],
    "ended_runs": [update(ScheduledTask).where(ScheduledTask.credits_used > 0).values(finished_at=None)],
    "attempts": [update(RunAttempt).values(number=7)],
    "paid_units": [update(ActionRun).values(credits=4)],
    "explained_charges": [update(ActionRun).values(status="failed")],
    "events_in_time": [update(EventBatch).values(dispatched_at=None)],
}


@pytest.fixture
def worked(machine: Machine, session: Session, account: Account, sector: Sector) -> Machine:
    """A paid run through an event and a schedule, ten minutes ago."""
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    machine.run_now(rule)
    machine.pass_time(minutes=10)
    machine.settle()
    return machine


def test_a_healthy_installation_has_no_breach(worked: Machine) -> None:
    assert worked.breaches() == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(worked: Machine, session: Session, name: str) -> None:
    for statement in DAMAGE[name]:
        session.execute(statement)
    session.commit()
    assert name in {breach.name for breach in audit.audit(session, worked.now)}


def test_a_planned_time_without_its_row_is_found(worked: Machine, session: Session) -> None:
    due = ScheduledTask.scheduled_at == NOW.replace(minute=7)
    ids = session.query(ScheduledTask.id).where(due)
    for table in ("run_detail", "run_attempt"):
        session.execute(
            text(
                f"DELETE FROM {table} WHERE run_id IN (SELECT id FROM scheduled_task WHERE cause = 'schedule')"
            )
        )
    assert ids.count() == 1
    session.execute(delete(ScheduledTask).where(due))
    session.commit()
    (breach,) = [b for b in audit.audit(session, worked.now) if b.name == "occurrences"]
    assert "09:07" in breach.rows[0]


def test_owners_are_told(worked: Machine, session: Session) -> None:
    audit.tell_owners(session, [audit.Breach("balance", "A sentence.", ("1",))], worked.now)
    notice = session.query(Notice).one()
    assert (notice.level, notice.role) == ("danger", "owner")
