"""Saves the rule of a finished draft, or asks a second person to approve it."""

from datetime import datetime

from flask import request

from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.rule_changes.proposing import create_or_propose, save_or_propose
from app.business.automation.services.rules.definition import RuleDefinition
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.automation import activation_preview
from app.modules.automation.labels.starts import shown_total
from app.modules.gate.numbers import row_id
from app.modules.run_actor import actor


def save_draft(
    draft: RuleDraft, definition: RuleDefinition, now: datetime
) -> tuple[AutomationRule, RuleChange | None]:
    """The rule, and the change of it that waits where it needs approval: then nothing is started.

    Raises Invalid, Stale, Conflict, Blocked; the caller rolls back.
    """
    service, session, who, note = AutomationService(), db.session(), actor(), request.form.get("note", "")
    known = owned_or_404(AutomationRule, draft.rule_id) if draft.rule_id else None
    if definition.is_active:
        activation_preview.keep_ceiling(now, known)
    if known is None:
        account = current_person().account
        rule, change = create_or_propose(session, account, definition, who, now, note)
        stopped_at = None
    else:
        rule, stopped_at = known, known.stopped_at
        version = row_id(request.form.get("overwrite")) or draft.version

        def save() -> AutomationRule:
            return service.update_rule(session, known, definition, who, now, expected_version=version)

        change = save_or_propose(session, known, who, now, save, note)
    if rule.is_active and change is None and request.form.get("backfill"):
        service.backfill(session, rule, who, now, max_credits=shown_total(), stopped_at=stopped_at)
    return rule, change
