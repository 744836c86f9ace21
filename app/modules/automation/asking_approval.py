"""Pages that save what a second person must approve: whether they ask for that, and the answer when they did."""

from dataclasses import dataclass

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import ChangeState, RuleChange
from app.business.automation.services.rule_changes.listing import WaitingChange, latest_of, waiting_of
from app.business.automation.services.rules.approval import needed_for
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.versions import definition_of
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.web import see_other

LIVE = {"is_active": True, "mode": "live"}


@dataclass(frozen=True)
class AskApproval:
    """needed: whether the button asks for approval · waiting: the change of the rule that waits already."""

    needed: bool
    waiting: WaitingChange | None


def asking_approval(definition: RuleDefinition, rule: AutomationRule | None) -> AskApproval | None:
    """What a page says that would have the rule work for real as `definition`; None where one alone may do that."""
    if not current_person().account.rule_approval_required:
        return None
    before = definition_of(rule) if rule else None
    needed = needed_for(before, definition.model_dump(mode="json") | LIVE) is not None
    return AskApproval(needed, waiting_of(db.session(), rule) if rule else None)


def change_to_name(rule: AutomationRule) -> WaitingChange | None:
    """The change that the rule's page names: one that waits, that was sent back since the rule was last saved, or of
    the person's own that the rule has overtaken. Asked only where changes can wait."""
    person = current_person()
    latest = latest_of(db.session(), rule) if person.account.rule_approval_required else None
    if latest is None:
        return None
    change, is_present = latest.change, latest.change.base_version == rule.version
    named = {
        ChangeState.WAITING: True,
        ChangeState.SENT_BACK: is_present and not rule.archived_at,
        ChangeState.OUTDATED: change.proposed_by_id == person.user.id and not rule.archived_at,
    }
    return latest if named.get(ChangeState(change.state)) else None


def sent_for_approval(change: RuleChange) -> ResponseReturnValue:
    """Commit, and lead to the rule, which names the change."""
    db.session.commit()
    flash(
        "Sent for approval. The rule stays as it is until somebody else has approved the change.", "success"
    )
    return see_other(url_for("automation.rule", id=change.rule_id))
