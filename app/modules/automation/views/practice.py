"""Ending practice mode: confirmation with what the rule would have cost."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.preflight.start_price import unsaved_rule
from app.business.automation.services.rule_changes.proposing import save_or_propose
from app.business.automation.services.rules.cost import most_per_run, most_runs_per_day
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.trials import practice
from app.business.errors import Conflict
from app.business.outlets.services.ai_connections import is_connected
from app.infrastructure.database import db
from app.modules.access import allow, owned_or_404
from app.modules.automation.asking_approval import asking_approval, sent_for_approval
from app.modules.automation.labels.starts import cost_of_start
from app.modules.automation.views.rules import definition, place_of
from app.modules.gate.numbers import row_id
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import see_other


@allow(Role.EDITOR)
def ask(id: int) -> ResponseReturnValue:
    """The price and the consequences, to be confirmed."""
    rule, now = _rule(id), datetime.now(UTC)
    live = definition(rule).model_copy(update={"mode": "live"})
    return render_template(
        "pages/automation/make_real.html",
        rule=rule,
        approval=asking_approval(live, rule) if rule.is_active else None,
        sentence=summary_of(live, place_of(rule)),
        practice=practice.practice_report(db.session(), rule, now),
        per_run=most_per_run(live, connected=is_connected(db.session(), rule.account_id)),
        per_day=most_runs_per_day(live, now),
        cost=cost_of_start(unsaved_rule(rule.account_id, live), now),
    )


@allow(Role.EDITOR)
@sent_once
def end_practice(id: int) -> ResponseReturnValue:
    """Save a new version that is live."""
    rule, session = _rule(id), db.session()
    version = row_id(request.form.get("version"))
    now = datetime.now(UTC)

    def save() -> None:
        practice.end_practice(session, rule, actor(), now, expected_version=version)

    if change := save_or_propose(session, rule, actor(), now, save, request.form.get("note", "")):
        return sent_for_approval(change)
    session.commit()
    state = "" if rule.is_active else " It is still switched off."
    flash(f"“{rule.name}” works for real from now on.{state}", "success")
    return see_other(url_for(".rule", id=rule.id))


def _rule(id: int) -> AutomationRule:
    rule = owned_or_404(AutomationRule, id)
    if rule.mode != "shadow":
        raise Conflict("This rule works for real already.")
    return rule
