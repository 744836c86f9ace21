"""Decides on changes of rules that wait: each is decided once, and approved by a second person only."""

from copy import deepcopy
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.notices import add_notice
from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import ChangeState, RuleChange
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.approval import MOVED_ON
from app.business.errors import Conflict, Forbidden, Invalid
from app.business.planner.services.plain_text import clean_body

REASON_LIMIT = 2000
NOT_ASKED_ANY_MORE = "The account asks for no second person any more."
DECIDED = {
    ChangeState.APPROVED: "It was approved already.",
    ChangeState.SENT_BACK: "It was sent back already.",
    ChangeState.WITHDRAWN: "It was withdrawn already.",
    ChangeState.OUTDATED: "The rule was changed since, so this can no longer be applied. Propose it anew.",
}


def approve(session: Session, change: RuleChange, actor: Actor, now: datetime) -> bool:
    """Apply the change as a new version, checked like every save; False where the rule has moved on since.

    Raises Forbidden for the proposer, keys and people who may not edit rules; Conflict where it is decided already;
    Invalid and Blocked where it cannot be saved any more: the caller rolls back, and it waits on.
    """
    _require_second_person(change, actor)
    rule = session.get_one(AutomationRule, change.rule_id)
    # First the rule, then the change, as every save does: two who approve at once wait for one another.
    session.refresh(rule, with_for_update={"key_share": True})
    if rule.version != change.base_version:
        _decide(session, change, ChangeState.OUTDATED, None, now, MOVED_ON)
        return False
    _decide(session, change, ChangeState.APPROVED, actor.user_id, now)
    AutomationService().update_rule(
        session,
        rule,
        deepcopy(change.definition),
        _with_rights_of_proposer(session, change, actor),
        now,
        expected_version=change.base_version,
        origin={"change": change.id},
        approved_author=change.proposed_by_id,
    )
    _record(session, change, actor, "rule_change.approved", now, rule.name)
    _tell(session, change, rule, "info", "approved", "It holds from now on.", now)
    return True


def send_back(session: Session, change: RuleChange, actor: Actor, reason: str, now: datetime) -> None:
    """Refuse the change, with words for its proposer. Raises Invalid without any, Forbidden and Conflict as above."""
    _require_second_person(change, actor)
    if not (said := clean_body(reason, "reason", limit=REASON_LIMIT)):
        raise Invalid({"reason": ["Say what should change, so that whoever proposed it knows."]})
    _decide(session, change, ChangeState.SENT_BACK, actor.user_id, now, said)
    rule = session.get_one(AutomationRule, change.rule_id)
    _record(session, change, actor, "rule_change.sent_back", now, rule.name)
    _tell(session, change, rule, "warning", "sent back", said, now)


def withdraw(session: Session, change: RuleChange, actor: Actor, now: datetime, reason: str = "") -> None:
    """End the change without applying it. Raises Forbidden for others than its proposer, Conflict as above."""
    if actor.user_id != change.proposed_by_id:
        raise Forbidden("Only whoever proposed this change withdraws it. You can send it back.")
    _decide(session, change, ChangeState.WITHDRAWN, actor.user_id, now, reason)
    rule = session.get_one(AutomationRule, change.rule_id)
    _record(session, change, actor, "rule_change.withdrawn", now, rule.name)


def end_waiting(session: Session, account_id: int, who: AuditActor, now: datetime) -> int:
    """The account asks for no second person any more: end what waits, applying none of it. Returns how many.

    No lock holds off those who propose at that moment: what they leave waits on, and is applied by nobody alone.
    """
    waiting = select(RuleChange).where(
        RuleChange.account_id == account_id, RuleChange.state == ChangeState.WAITING
    )
    changes = session.scalars(waiting.order_by(RuleChange.id)).all()
    for change in changes:
        _decide(session, change, ChangeState.WITHDRAWN, who.user_id, now, NOT_ASKED_ANY_MORE)
        rule = session.get_one(AutomationRule, change.rule_id)
        audit_log.record(
            session, account_id, who, "rule_change.withdrawn", change, _data(change, rule.name), now
        )
        text = f"{NOT_ASKED_ANY_MORE} Save the change again to have it hold at once."
        _tell(session, change, rule, "info", "not applied", text, now)
    return len(changes)


def _require_second_person(change: RuleChange, actor: Actor) -> None:
    """Raises Forbidden. A key is nobody: who holds it may be the proposer, whoever has created it."""
    if actor.api_key_id is not None or actor.user_id is None:
        raise Forbidden("A key is no second person: somebody who is signed in decides on this.")
    if not actor.role.allows(Role.EDITOR):
        raise Forbidden("Only those who may edit rules decide on their changes.")
    if actor.user_id == change.proposed_by_id:
        raise Forbidden("You have proposed this change yourself. Somebody else must decide on it.")


def _decide(
    session: Session,
    change: RuleChange,
    state: ChangeState,
    user_id: int | None,
    now: datetime,
    reason: str = "",
) -> None:
    """The guarded update: of two decisions at once, one is made. Raises Conflict for the other."""
    decided = session.execute(
        update(RuleChange)
        .where(
            RuleChange.account_id == change.account_id,
            RuleChange.id == change.id,
            RuleChange.state == ChangeState.WAITING,
        )
        .values(state=state, decided_by_id=user_id, decided_at=now, reason=reason)
        .returning(RuleChange.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    session.refresh(change)
    if decided is None:
        raise Conflict(DECIDED[ChangeState(change.state)])


def _with_rights_of_proposer(session: Session, change: RuleChange, actor: Actor) -> Actor:
    """Within the approver's sites; what only owners may save is saved if either of the two is one now."""
    proposer = session.get_one(User, change.proposed_by_id)
    is_owner = proposer.is_active and proposer.role == Role.OWNER
    return replace(actor, role=Role.OWNER) if is_owner else actor


def _record(
    session: Session, change: RuleChange, actor: Actor, action: str, now: datetime, name: str
) -> None:
    who = AuditActor(actor.user_id, actor.api_key_id)
    audit_log.record(session, change.account_id, who, action, change, _data(change, name), now)


def _data(change: RuleChange, name: str) -> dict[str, str | int]:
    """What the diff is made from stands in the rows of the change and of its base version, which stay for ever."""
    said: dict[str, str | int] = {"rule_id": change.rule_id, "name": name}
    return said | ({"reason": change.reason} if change.reason else {})


def _tell(
    session: Session,
    change: RuleChange,
    rule: AutomationRule,
    level: str,
    what: str,
    body: str,
    now: datetime,
) -> None:
    add_notice(
        session,
        account_id=change.account_id,
        level=level,
        title=f"Your change of “{rule.name}” was {what}",
        body=body,
        now=now,
        key=f"rule-change-{change.id}",
        user_id=change.proposed_by_id,
        rule_id=rule.id,
        kind="rule",
        about_site_id=rule.site_id,
    )
