"""What a rule said before: every version, what each changed, and the way back."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rule_sentence import actions_of, conditions_of, summary_of, when_of
from app.business.errors import NotFound
from app.infrastructure.database import db
from app.modules.access import allow, owned_or_404
from app.modules.automation.field_words import FIELDS
from app.modules.automation.views.rules import actor, service
from app.modules.web import see_other


@allow(Role.VIEWER)
def show(id: int, number: int) -> ResponseReturnValue:
    """One version in words, and what it changed against the one before."""
    rule = owned_or_404(AutomationRule, id)
    version = _version(rule, number)
    before = _version(rule, number - 1) if number > 1 else None
    said = SimpleNamespace(**version.definition)
    return render_template(
        "pages/automation/version.html", rule=rule, version=version, sentence=summary_of(said),
        changes=_changes(before.definition, version.definition) if before else [],
    )  # fmt: skip


@allow(Role.EDITOR)
def restore(id: int, number: int) -> ResponseReturnValue:
    """Save an old version as the newest; the switch stays as it is."""
    rule, session = owned_or_404(AutomationRule, id), db.session()
    data = _version(rule, number).definition | {"is_active": rule.is_active}
    service.update_rule(session, rule, data, actor(), datetime.now(UTC), expected_version=rule.version)
    session.commit()
    flash(f"The rule says again what version {number} said. This is version {rule.version}.", "success")
    return see_other(url_for(".rule", id=rule.id))


def _version(rule: AutomationRule, number: int) -> RuleVersion:
    version = db.session.scalar(
        select(RuleVersion).where(RuleVersion.rule_id == rule.id, RuleVersion.version == number)
    )
    if version is None:
        raise NotFound()
    return version


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What differs, as (field, before, after) in words."""
    old, new = SimpleNamespace(**before), SimpleNamespace(**after)
    said: dict[str, Any] = {
        "conditions": conditions_of,
        "schedule": when_of,
        "actions": lambda rule: "; ".join(actions_of(rule)),
    }
    return [
        (FIELDS.get(name, name), _shown(said, name, old, before), _shown(said, name, new, after))
        for name in after
        if before.get(name) != after[name]
    ]


def _shown(said: dict[str, Any], name: str, rule: Any, values: dict[str, Any]) -> str:
    if name in said and values.get(name):
        return str(said[name](rule))
    value = values.get(name)
    return (
        {True: "yes", False: "no", None: "–", "shadow": "practice", "": "–"}.get(value, str(value))
        if not isinstance(value, dict | list)
        else "–"
    )
