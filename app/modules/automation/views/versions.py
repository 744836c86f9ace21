"""The versions of a rule: list, changes in each, and restoring one."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_changes.proposing import save_or_propose
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.listing import definition_to_restore, version_of, versions_of
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.asking_approval import asking_approval, sent_for_approval
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.diff.versions import changes_of_versions, restore_errors
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.views.rules import service
from app.modules.gate.numbers import row_id
from app.modules.run_actor import actor
from app.modules.web import see_other

SHOWN = 25
NOW = "now"


@allow(Role.VIEWER)
def index(id: int) -> ResponseReturnValue:
    """All versions, newest first, each with its changes."""
    rule, session = owned_or_404(AutomationRule, id), db.session()
    found = versions_of(session, rule, before=row_id(request.args.get("before")), limit=SHOWN + 1)
    shown, choices = found[:SHOWN], load_choices(session, current_person().scope)
    changes = changes_of_versions(session, rule, [version for version, _ in shown], choices)
    lines = [(version, name, changed) for (version, name), changed in zip(shown, changes, strict=True)]
    more = len(found) > SHOWN
    next_url = url_for(".versions", id=id, before=lines[-1][0].version) if more else None
    return render_template("pages/automation/versions.html", rule=rule, lines=lines, next_url=next_url)


@allow(Role.VIEWER)
def show(id: int, number: int) -> ResponseReturnValue:
    """One version in words, and its difference from the one before or from now."""
    return _page(owned_or_404(AutomationRule, id), number)


@allow(Role.EDITOR)
def restore(id: int, number: int) -> ResponseReturnValue:
    """Save an old version as the newest; the switch is not changed."""
    rule, session = owned_or_404(AutomationRule, id), db.session()
    definition = definition_to_restore(session, rule, number)
    seen = row_id(request.form.get("seen")) or rule.version
    now = datetime.now(UTC)

    def save() -> AutomationRule:
        return service.update_rule(session, rule, definition, actor(), now, expected_version=seen)

    try:
        change = save_or_propose(session, rule, actor(), now, save, f"Goes back to version {number}.")
    except Invalid:
        session.rollback()
        return _page(rule, number), 422
    if change:
        return sent_for_approval(change)
    session.commit()
    flash(f"The rule says again what version {number} said. This is version {rule.version}.", "success")
    return see_other(url_for(".rule", id=rule.id))


def _page(rule: AutomationRule, number: int) -> str:
    session = db.session()
    version, saved_by = version_of(session, rule, number)
    choices = load_choices(session, current_person().scope)
    against = NOW if request.args.get("against") == NOW or number == 1 else "before"
    if against == NOW:
        changes = rule_changes(version.definition, definition_of(rule), choices)
    else:
        (changes,) = changes_of_versions(session, rule, [version], choices)
    restored = definition_from(version.definition | {"is_active": rule.is_active})
    can_act = rule.is_active and restored.mode == "live"
    refusals = restore_errors(session, rule, number) if number != rule.version else {}
    return render_template(
        "pages/automation/version.html",
        rule=rule,
        version=version,
        saved_by=saved_by,
        against=against,
        approval=asking_approval(restored, rule) if can_act else None,
        sentence=summary_of(definition_from(version.definition)),
        changes=changes,
        refusals=[sentence for sentences in refusals.values() for sentence in sentences],
    )
