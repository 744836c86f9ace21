"""Who is notified, and when, that a planned run did not start."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.models import AutomationRule
from app.business.automation.services.triggering import planning
from app.business.automation.services.triggering.watch import KEY, watch
from tests.business.automation.machine import Machine
from tests.factories import make_account

QUARTERS = {"cron": "*/15 * * * *", "timezone": "UTC"}


def make_rule(machine: Machine, account: Account, name: str = "Nightly ideas") -> AutomationRule:
    return machine.make_rule(account, name=name, trigger="schedule", record_type=None, schedule=QUARTERS)


def look(machine: Machine) -> Sequence[Notice]:
    with machine.transaction() as session:
        watch(session, machine.now)
    return machine.session.scalars(select(Notice).where(Notice.key == KEY, Notice.read_at.is_(None))).all()


def test_a_run_that_does_not_start_is_notified_within_its_grace_period(
    machine: Machine, session: Session
) -> None:
    make_rule(machine, make_account(session, timezone="Europe/Berlin"))
    machine.pass_time(minutes=16)
    assert look(machine) == []
    machine.pass_time(minutes=1, seconds=1)
    (notice,) = look(machine)
    assert notice.title == "“Nightly ideas” did not start at the planned time"
    assert "planned for 24 Nov 10:15 (Europe/Berlin): no worker has taken it up." in notice.body
    assert "open System health" in notice.body


def test_the_notice_is_settled_when_the_run_has_started(
    machine: Machine, session: Session, account: Account
) -> None:
    make_rule(machine, account)
    machine.pass_time(minutes=18)
    assert len(look(machine)) == 1
    machine.settle()
    assert look(machine) == []


def test_a_read_notice_is_renewed_only_by_something_new(
    machine: Machine, session: Session, account: Account
) -> None:
    make_rule(machine, account)
    machine.pass_time(minutes=18)
    look(machine)
    session.execute(update(Notice).values(read_at=machine.now))
    session.commit()
    assert look(machine) == []
    make_rule(machine, account, name="Another")
    machine.pass_time(minutes=18)
    planning.plan(machine.transaction, machine.now)
    (notice,) = look(machine)
    assert notice.title == "“Nightly ideas” and 1 more did not start at the planned time"


def test_a_rule_that_cannot_be_planned_is_named(machine: Machine, session: Session, account: Account) -> None:
    rule = make_rule(machine, account)
    session.execute(
        update(AutomationRule).where(AutomationRule.id == rule.id).values(schedule={"cron": "broken"})
    )
    session.commit()
    machine.settle()
    machine.pass_time(minutes=33)
    planning.plan(machine.transaction, machine.now)
    (notice,) = look(machine)
    assert "it could not be planned; open the rule and save it again" in notice.body


def test_other_accounts_are_not_notified(machine: Machine, session: Session, account: Account) -> None:
    other = make_account(session)
    make_rule(machine, account)
    machine.pass_time(minutes=18)
    assert [notice.account_id for notice in look(machine)] == [account.id] != [other.id]
