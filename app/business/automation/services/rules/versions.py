"""Every change of a rule is stored as a new version and never deleted; a run uses the version it was opened with."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules import approval
from app.business.automation.services.rules.definition import RuleDefinition, definition_from

RENAMED = {"site": "site_id", "sector": "sector_id"}
"""Field of the definition -> column, where the two differ."""


def write(rule: AutomationRule, definition: RuleDefinition) -> None:
    """Write a validated definition to the rule's columns."""
    for name, value in definition.model_dump(mode="json").items():
        setattr(rule, RENAMED.get(name, name), value)


def definition_of(rule: AutomationRule) -> JsonObject:
    """The rule's writable fields under their public names."""
    return {name: getattr(rule, RENAMED.get(name, name)) for name in RuleDefinition.model_fields}


def read_definition(rule: AutomationRule) -> RuleDefinition:
    """The rule as a typed definition; parts that are not valid any more are kept as stored."""
    return definition_from(definition_of(rule))


def keep_version(
    session: Session,
    rule: AutomationRule,
    now: datetime,
    user_id: int | None,
    *,
    approved: bool = False,
    resumed: bool = False,
) -> None:
    """Increase the version (a new rule keeps 1) and store the present definition under it.

    approved: a second person has approved exactly this definition · resumed: another rule switches this one on. Raises
    ApprovalNeeded where neither holds and the account asks for a second person; the caller rolls back what it wrote.
    """
    if approval.is_required(session, rule.account_id):
        if not approved:
            approval.require_none(session, rule, definition_of(rule), resumed=resumed)
        approval.outdate(session, rule, now, user_id)
    if rule.id is not None:
        rule.version += 1
    rule.updated_at, rule.updated_by_id = now, user_id
    session.add(rule)
    session.flush()
    session.add(
        RuleVersion(
            account_id=rule.account_id,
            rule_id=rule.id,
            version=rule.version,
            definition=definition_of(rule),
            created_by_id=user_id,
            created_at=now,
        )
    )
    session.flush()
