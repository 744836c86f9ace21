"""The versions of a rule: list, changes in each, and restoring one."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.listing import version_of, versions_of
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.actor import actor
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.views.rules import service
from app.modules.changes import Change
from app.modules.gate.numbers import row_id
from app.modules.web import see_other

SHOWN = 25
NOW = "now"


@allow(Role.VIEWER)
def index(id: int) -> ResponseReturnValue:
    """All versions, newest first, each with its changes."""
    rule, session = owned_or_404(AutomationRule, id), db.session()
    before = row_id(request.args.get("before"))
    found = versions_of(session, rule, before=before, limit=SHOWN + 1)
    choices = load_choices(session, current_person().scope)
    older: list[RuleVersion | None] = [version for version, _ in found[1:]]
    older += [None] * (SHOWN - len(older))
    lines = [
        (version, name, _changes(previous, version, choices))
        for (version, name), previous in zip(found[:SHOWN], older, strict=False)
    ]
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
    data = deepcopy(version_of(session, rule, number)[0].definition) | {"is_active": rule.is_active}
    seen = row_id(request.form.get("seen")) or rule.version
    try:
        service.update_rule(session, rule, data, actor(), datetime.now(UTC), expected_version=seen)
    except Invalid:
        session.rollback()
        return _page(rule, number), 422
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
        changes = _changes(version_of(session, rule, number - 1)[0], version, choices)
    return render_template(
        "pages/automation/version.html",
        rule=rule,
        version=version,
        saved_by=saved_by,
        against=against,
        sentence=summary_of(definition_from(version.definition)),
        changes=changes,
        refusals=_refusals(rule, version.definition) if number != rule.version else [],
    )


def _changes(before: RuleVersion | None, after: RuleVersion, choices: Any) -> list[Change]:
    return rule_changes(before.definition, after.definition, choices) if before else []


def _refusals(rule: AutomationRule, definition: dict[str, Any]) -> list[str]:
    """Why the version could not be saved now: for example a deleted site, or a changed action."""
    try:
        service.checked(
            db.session(), current_person().account, deepcopy(definition), rule, scope=current_person().scope
        )
    except Invalid as refusal:
        return [sentence for sentences in refusal.errors.values() for sentence in sentences]
    return []
