"""Whether a change of a rule needs a second person, where the account asks for one.

It is asked where a version is stored (`versions.keep_version`), which nothing that changes a rule gets around: runs
read versions. What a rule refers to (a webhook's address, a site's calendar, the account's limits) is not part of it
and changes as before. Renaming needs nobody, although conditions of other rules can read a rule's name.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.notices import add_notice
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.rule_change_models import ChangeKind, ChangeState, RuleChange
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.restraint import only_restrains, starts_less
from app.business.errors import Conflict

VERSIONS_SEARCHED = 100
"""The newest versions among which the last live one is looked for."""
UNAPPROVED = (
    "This rule is off and was changed since it was last on. In this account a second person approves what makes a rule "
    "act: ask for approval to switch it on."
)
MOVED_ON = "The rule was changed meanwhile."


class ApprovalNeeded(Conflict):
    """Everything else allows this change, but a second person must approve it. Nothing was changed.

    definition: the rule as it was to be · kind: what approving it would do.
    """

    code = "approval_needed"

    def __init__(self, definition: JsonObject, kind: ChangeKind) -> None:
        super().__init__(
            "In this account a second person approves what makes a rule act. Ask for approval of this change."
        )
        self.definition, self.kind = definition, kind


def is_live(definition: Stored) -> bool:
    """Whether a rule of this definition starts runs that really do something."""
    return bool(definition["is_active"]) and definition["mode"] == "live"


def needed_for(before: Stored | None, after: Stored) -> ChangeKind | None:
    """What a second person must approve; None where one alone may make this change. `before`: None of a new rule."""
    before, after = before and _complete(before), _complete(after)
    if not is_live(after):
        return None
    if before is not None and is_live(before):
        if starts_less(before["schedule"], after["schedule"]):
            before = {**before, "schedule": after["schedule"]}
        return None if only_restrains(before, after) else ChangeKind.CHANGE
    practised = before is not None and before["is_active"]
    return ChangeKind.MAKE_REAL if practised else ChangeKind.SWITCH_ON


def require_none(session: Session, rule: AutomationRule, after: JsonObject, *, resumed: bool = False) -> None:
    """Raises ApprovalNeeded where a second person must approve that a rule of such an account becomes `after`.

    resumed: another rule switches it on, which itself was approved: then only if it does no more than when it was last
    live. The version before is read from its row, because the rule's own columns are written already.
    """
    if not is_live(after):
        return
    before = _last_live(session, rule) if resumed else _stored(session, rule)
    if kind := needed_for(before, after):
        raise ApprovalNeeded(after, kind)


def is_required(session: Session, account_id: int) -> bool:
    """Whether the account asks for a second person."""
    # The rule that is about to be saved is written once, with its new version.
    with session.no_autoflush:
        return session.get_one(Account, account_id).rule_approval_required


def may_act(session: Session, rule: AutomationRule, definition: Stored) -> bool:
    """Whether the rule, of this definition, may act although it is off: by hand, or switched on by another rule.

    Where a second person must approve, only if it would do no more than when it was last live: else whoever may change
    it while it is off could have it act without anybody.
    """
    if is_live(definition) or definition["mode"] != "live" or not is_required(session, rule.account_id):
        return True
    last = _last_live(session, rule)
    return last is not None and needed_for(last, {**definition, "is_active": True}) is None


def require_approved(session: Session, rule: AutomationRule, definition: Stored) -> None:
    """Raises Conflict for a rule that is off, and would do by hand what nobody has approved (`may_act`)."""
    if not may_act(session, rule, definition):
        raise Conflict(UNAPPROVED)


def _complete(stored: Stored) -> JsonObject:
    """With the defaults of fields that are newer than the version, so that only what was changed differs."""
    return definition_from(stored).model_dump(mode="json")


def outdate(session: Session, rule: AutomationRule, now: datetime, user_id: int | None) -> None:
    """The rule gets a new version: what waits was made from an older one and can never be applied.

    Its proposer is told, unless they have changed the rule themselves (`user_id`).
    """
    outdated = session.execute(
        update(RuleChange)
        .where(
            RuleChange.account_id == rule.account_id,
            RuleChange.rule_id == rule.id,
            RuleChange.state == ChangeState.WAITING,
        )
        .values(state=ChangeState.OUTDATED, decided_at=now, reason=MOVED_ON)
        .returning(RuleChange.id, RuleChange.proposed_by_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if outdated is None or outdated.proposed_by_id == user_id:
        return
    add_notice(
        session,
        account_id=rule.account_id,
        level="info",
        title=f"Your change of “{rule.name}” was not applied",
        body="The rule was changed before anybody had approved it. Propose it anew from the rule's page.",
        now=now,
        key=f"rule-change-{outdated.id}",
        user_id=outdated.proposed_by_id,
        rule_id=rule.id,
        kind="rule",
        about_site_id=rule.site_id,
    )


def _stored(session: Session, rule: AutomationRule) -> Stored | None:
    if rule.id is None:
        return None
    return session.scalar(
        select(RuleVersion.definition).where(
            RuleVersion.rule_id == rule.id, RuleVersion.version == rule.version
        )
    )


def _last_live(session: Session, rule: AutomationRule) -> Stored | None:
    newest = select(RuleVersion.definition).where(RuleVersion.rule_id == rule.id)
    found = session.scalars(newest.order_by(RuleVersion.version.desc()).limit(VERSIONS_SEARCHED))
    return next(filter(is_live, found), None)
