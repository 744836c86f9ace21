"""Rules with the trigger `incoming`: the message in conditions, texts and back-tests, once for each id."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.models import AutomationRule
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import read_definition
from app.business.errors import Blocked, Invalid
from app.business.events import Event
from app.business.outlets.services import incoming
from app.business.outlets.services.incoming import Receiver
from app.business.planner.models import Idea, Sector
from tests.business.automation.machine import Machine
from tests.factories import make_account

LARGE = {"field": "incoming.order.total", "operator": "gte", "value": 100}
NAMED = {"field": "incoming.who", "operator": "starts_with", "value": "ad", "ignore_case": True}
TELL = {
    "type": "notify",
    "params": {"message": "{incoming.order.number}: {incoming.order.total} from {incoming.who}"},
}


def receiver(session: Session, account: Account) -> Receiver:
    row = incoming.address_of(session, account.id)
    if row is None:
        seal = str.upper
        row, _ = incoming.renew(session, account.id, AuditActor(), seal=seal, now=account.created_at)
    return Receiver(row.id, account.id, row.secret_sealed)


def receive(machine: Machine, account: Account, id: str, **message: Any) -> bool:
    """Post a message, and let the rules act."""
    session = machine.session
    is_first = incoming.receive(session, receiver(session, account), id, message, machine.now)
    machine.settle()
    return is_first


def rule_on(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    return machine.make_rule(account, **{"trigger": "incoming", "actions": [TELL]} | values)


def notices_of(session: Session) -> list[str]:
    return list(session.scalars(select(Notice.body).order_by(Notice.id)))


@pytest.mark.both_databases
def test_a_message_starts_the_rules_of_its_account_once(
    machine: Machine, session: Session, account: Account
) -> None:
    rule_on(machine, account)
    rule_on(machine, make_account(session))
    order = {"number": "A-7", "total": 1250}
    assert receive(machine, account, "msg_1", order=order, who="Ada")
    assert not receive(machine, account, "msg_1", order=order, who="Ada")
    assert notices_of(session) == ["A-7: 1,250 from Ada"]
    assert receive(machine, account, "msg_2", order=order)
    assert len(machine.runs()) == 2
    assert session.scalar(select(func.count(Event.id)).where(Event.record_type == "incoming")) == 2
    assert machine.breaches() == []


@pytest.mark.both_databases
def test_conditions_read_the_message_by_path(machine: Machine, session: Session, account: Account) -> None:
    rule = rule_on(
        machine,
        account,
        conditions={"all": [LARGE, NAMED]},
    )
    for id, message in (
        ("small", {"order": {"total": 99}, "who": "Ada"}),
        ("text", {"order": {"total": "100"}, "who": "Ada"}),
        ("other", {"order": {"total": 100}, "who": "Bob"}),
        ("empty", {}),
        ("right", {"order": {"total": 100}, "who": "ADA"}),
    ):
        receive(machine, account, id, **message)
    assert [run.status for run in machine.runs()] == ["skipped"] * 4 + ["completed"]
    assert {run.reason for run in machine.runs()[:4]} == {"conditions"}
    said = summary_of(read_definition(rule))
    assert "incoming.order.total" in said


def test_a_message_becomes_a_record(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make = {"type": "create_record", "params": {"type": "idea", "title": "Answer: {incoming.question}"}}
    rule_on(machine, account, site=sector.site_id, sector=sector.id, actions=[make])
    receive(machine, account, "msg_1", question="How to clean trail shoes?")
    assert session.scalars(select(Idea.title)).all() == ["Answer: How to clean trail shoes?"]


def test_a_start_by_hand_reads_the_latest_message(
    machine: Machine, session: Session, account: Account
) -> None:
    rule = rule_on(machine, account)
    for number in ("A-1", "A-2"):
        receive(machine, account, number, order={"number": number, "total": [1, "x"]}, who={"name": "Ada"})
    machine.run_now(rule)
    assert notices_of(session)[-1] == 'A-2: 1, x from {"name": "Ada"}'


@pytest.mark.parametrize("field", ["incoming", "incoming.", "incoming..total", "order.total"])
def test_other_fields_are_refused(field: str) -> None:
    with pytest.raises(Invalid, match="there is no field"):
        parse_conditions({"field": field, "operator": "eq", "value": 1}, record_type="incoming")
    with pytest.raises(Invalid, match="there is no field"):
        parse_conditions(LARGE, record_type=None)


def test_texts_of_other_rules_do_not_know_the_message(machine: Machine, account: Account) -> None:
    with pytest.raises(Invalid, match=r"incoming\.who"):
        machine.make_rule(account, trigger="credits_granted", actions=[TELL])
    with pytest.raises(Blocked, match="brings no keyword records"):
        rule_on(machine, account, record_type="keyword")


def test_a_back_test_evaluates_the_messages_of_the_period(
    machine: Machine, session: Session, account: Account
) -> None:
    rule = rule_on(machine, account, conditions=LARGE)
    for number, total in enumerate((99, 100, 250)):
        machine.pass_time(hours=1)
        receive(machine, account, f"msg_{number}", order={"total": total})
    machine.pass_time(hours=1)
    operation = begin_back_test(session, account, days=7, user_id=None, now=machine.now, rule=rule)
    session.commit()
    assert lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    session.refresh(operation)
    assert operation.state == "done", operation.error_message
    outcome = operation.result["outcomes"][0]
    assert (outcome["offered"], outcome["runs"]) == (3, 2), outcome


def test_ids_are_remembered_for_90_days(machine: Machine, account: Account) -> None:
    rule_on(machine, account)
    assert receive(machine, account, "msg_1")
    machine.now += incoming.KEPT_FOR - timedelta(minutes=1)
    assert not receive(machine, account, "msg_1")
    machine.pass_time(minutes=2)
    assert receive(machine, account, "msg_1")
