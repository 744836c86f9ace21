"""Pages that save what a second person must approve: whether they ask for that, and the answer when they did."""

from dataclasses import dataclass

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.rule_changes.listing import WaitingChange, waiting_of
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
    return AskApproval(needed, waiting_change(rule) if rule else None)


def waiting_change(rule: AutomationRule) -> WaitingChange | None:
    """The change that waits; asked only where changes can wait."""
    return waiting_of(db.session(), rule) if current_person().account.rule_approval_required else None


def sent_for_approval(change: RuleChange) -> ResponseReturnValue:
    """Commit, and lead to the rule, which names the change."""
    db.session.commit()
    flash(
        "Sent for approval. The rule stays as it is until somebody else has approved the change.", "success"
    )
    return see_other(url_for("automation.rule", id=change.rule_id))
