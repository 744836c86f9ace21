"""Checks a rule as it was sent against its account: its plan, its records and the names of its other rules."""

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.author_scope import place_errors, reach_errors
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.rules.naming import is_taken
from app.business.automation.services.rules.references import unknown_references
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.rules.zone import with_time_zone
from app.business.billing.models import Plan
from app.business.errors import Invalid

DEFAULT_SHORTEST_INTERVAL = 5


def checked(
    session: Session,
    account: Account,
    data: JsonObject,
    rule: AutomationRule | None = None,
    *,
    scope: Scope | None = None,
) -> RuleDefinition:
    """The validated definition; all ids in it must belong to the account and scope. Raises Invalid.

    `rule`: the one that it changes; while that is on, references it already has to missing rows are accepted.
    `scope`: what its author may see; the whole account by default.
    """
    scope = scope or Scope(account.id)
    before = definition_of(rule) if rule else None
    data = with_time_zone(session, account, data)
    definition = parse_definition(data, shortest_interval_minutes=shortest_interval(session, account))
    named = {"new": definition.model_dump(mode="json")}
    if before and before["is_active"]:
        named["old"] = before
    unknown = unknown_references(session, Scope(account.id), named)
    old = unknown.get("old", {})
    errors = {path: texts for path, texts in unknown["new"].items() if texts != old.get(path)}
    errors = reach_errors(session, scope, definition, before) | errors
    errors |= place_errors(session, scope, definition)
    if is_taken(session, account.id, definition.name, rule.id if rule else None):
        errors["name"] = [taken_name(definition.name)]
    if errors:
        raise Invalid(errors)
    return definition


def taken_name(name: str) -> str:
    """What is said of a name that another rule has."""
    return f"Another rule is called “{name}” already. Choose another name."


def shortest_interval(session: Session, account: Account) -> int:
    """The shortest interval in minutes that the account's plan allows."""
    plan = session.get(Plan, account.plan_id) if account.plan_id else None
    return plan.shortest_interval_minutes if plan else DEFAULT_SHORTEST_INTERVAL
