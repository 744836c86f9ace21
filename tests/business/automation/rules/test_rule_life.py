"""A rule's life cycle: each change is a version, and the audit log names its author."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AuditEntry
from app.business.automation.models import RuleVersion
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from tests.business.automation.machine import Machine
from tests.factories import make_user


def test_every_change_is_noted_with_its_author(machine: Machine, session: Session, account: Account) -> None:
    user = make_user(session, account)
    rule, service, actor = machine.make_rule(account), AutomationService(), Actor(user.id)
    service.update_rule(session, rule, definition_of(rule) | {"name": "Another name"}, actor, machine.now)
    service.disable(session, rule, actor, machine.now)
    service.disable(session, rule, actor, machine.now)
    service.enable(session, rule, actor, machine.now, backfill=False)
    service.archive(session, rule, actor, machine.now)
    service.restore(session, rule, actor, machine.now)
    noted = session.execute(select(AuditEntry.action, AuditEntry.user_id).order_by(AuditEntry.id)).all()
    changes = ["changed", "disabled", "enabled", "archived", "restored"]
    assert [tuple(row) for row in noted] == [
        ("rule.created", None),
        *((f"rule.{change}", user.id) for change in changes),
    ]
    assert session.scalars(select(RuleVersion.version).order_by(RuleVersion.id)).all() == [1, 2, 3, 4, 5, 6]


def test_saving_the_same_again_is_no_new_version(
    machine: Machine, session: Session, account: Account
) -> None:
    rule = machine.make_rule(account)
    AutomationService().update_rule(session, rule, definition_of(rule), Actor(None), machine.now)
    assert rule.version == 1
