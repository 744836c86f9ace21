"""Every change of a rule is a new version, kept for ever; runs read the version they were opened with."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import RuleDefinition, definition_from

RENAMED = {"site": "site_id", "sector": "sector_id"}
"""Names of the definition whose column is called otherwise."""


def write(rule: AutomationRule, definition: RuleDefinition) -> None:
    """Put a checked definition into the rule's columns."""
    for name, value in definition.model_dump(mode="json").items():
        setattr(rule, RENAMED.get(name, name), value)


def definition_of(rule: AutomationRule) -> JsonObject:
    """The rule's writable fields under their public names."""
    return {name: getattr(rule, RENAMED.get(name, name)) for name in RuleDefinition.model_fields}


def read_definition(rule: AutomationRule) -> RuleDefinition:
    """What the rule says, typed; parts that no longer pass the check are kept as they stand."""
    return definition_from(definition_of(rule))


def keep_version(session: Session, rule: AutomationRule, now: datetime, user_id: int | None) -> None:
    """Count the version up (a new rule keeps 1) and keep the definition as it now stands."""
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
