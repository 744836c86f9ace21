"""Saves a change of a rule, or where a second person must approve it, has it wait for one.

The change is saved as ever, in a savepoint that is rolled back where approval is needed: what waits has passed every
check of a save, so that nobody is asked to approve what could not be applied.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services import audit_log
from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import ChangeState, RuleChange
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rule_changes.deciding import withdraw
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.approval import ApprovalNeeded, is_required
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.errors import Conflict
from app.business.planner.services.plain_text import clean_body

NOTE_LIMIT = 2000
REPLACED = "Replaced by a newer change."


def save_or_propose(
    session: Session,
    rule: AutomationRule,
    actor: Actor,
    now: datetime,
    save: Callable[[], AutomationRule | None],
    note: str = "",
) -> RuleChange | None:
    """Call `save`, which changes the rule by the service; returns the change that waits where it needs approval.

    Raises what `save` raises, and Conflict where somebody else's change of the rule waits already.
    """
    if not is_required(session, rule.account_id):
        save()
        return None
    # Locked before the savepoint: its rollback would let the rule go.
    session.refresh(rule, with_for_update={"key_share": True})
    savepoint = session.begin_nested()
    try:
        save()
    except ApprovalNeeded as needed:
        savepoint.rollback()
        return _propose(session, rule, needed, actor, now, note)
    savepoint.commit()
    return None


def create_or_propose(
    session: Session,
    account: Account,
    data: JsonObject | RuleDefinition,
    actor: Actor,
    now: datetime,
    note: str = "",
) -> tuple[AutomationRule, RuleChange | None]:
    """Create a rule; where its being on needs approval, switched off, with that waiting."""
    service = AutomationService()
    if not is_required(session, account.id):
        return service.create_rule(session, account, data, actor, now), None
    savepoint = session.begin_nested()
    try:
        rule = service.create_rule(session, account, data, actor, now)
    except ApprovalNeeded as needed:
        savepoint.rollback()
        off = needed.definition | {"is_active": False}
        rule = service.create_rule(session, account, off, actor, now)
        return rule, _propose(session, rule, needed, actor, now, note)
    savepoint.commit()
    return rule, None


def _propose(
    session: Session, rule: AutomationRule, needed: ApprovalNeeded, actor: Actor, now: datetime, note: str
) -> RuleChange:
    if actor.user_id is None:
        raise needed
    said = clean_body(note, "note", limit=NOTE_LIMIT)
    _make_room(session, rule, actor, now)
    site = needed.definition["site"]
    change = RuleChange(
        account_id=rule.account_id,
        rule_id=rule.id,
        site_id=site if isinstance(site, int) else None,
        base_version=rule.version,
        kind=needed.kind,
        definition=needed.definition,
        note=said,
        proposed_by_id=actor.user_id,
        api_key_id=actor.api_key_id,
        proposed_at=now,
    )
    session.add(change)
    session.flush()
    who = audit_log.AuditActor(actor.user_id, actor.api_key_id)
    data = {"rule_id": rule.id, "name": rule.name}
    audit_log.record(session, rule.account_id, who, "rule_change.proposed", change, data, now)
    return change


def _make_room(session: Session, rule: AutomationRule, actor: Actor, now: datetime) -> None:
    """Withdraw the person's own change that waits. Raises Conflict for somebody else's."""
    waiting = session.scalar(
        select(RuleChange).where(RuleChange.rule_id == rule.id, RuleChange.state == ChangeState.WAITING)
    )
    if waiting is None:
        return
    if waiting.proposed_by_id != actor.user_id:
        raise Conflict(
            "Another change of this rule waits for approval already. Have it approved or sent back first; "
            "it stands on the rule's page."
        )
    withdraw(session, waiting, actor, now, REPLACED)
