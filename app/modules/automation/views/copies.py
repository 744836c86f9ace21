from datetime import UTC, datetime

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.transfer.copies import copied_definition, copy_rule
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.step_table import steps_of_rule
from app.modules.automation.views.rule_form import start_draft
from app.modules.run_actor import actor
from app.modules.web import see_other


@allow(Role.EDITOR)
def copy(id: int) -> ResponseReturnValue:
    """Save a copy, switched off; an invalid one opens in the form to be repaired first."""
    rule, session = owned_or_404(AutomationRule, id), db.session()
    try:
        made = copy_rule(session, rule, actor(), datetime.now(UTC))
    except Invalid as refusal:
        session.rollback()
        steps = steps_of_rule(copied_definition(session, rule), load_choices(session, current_person().scope))
        draft = start_draft(steps)
        flash(f"The copy needs repair before it can be saved: {refusal.message}", "warning")
        return see_other(url_for(".wizard", id=draft.id, step="check"))
    session.commit()
    flash(f"“{made.name}” is saved and switched off. Change what differs, then switch it on.", "success")
    return see_other(url_for(".rule", id=made.id))
