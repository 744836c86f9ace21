"""Exports rules to a file, with names in place of ids."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.services.rules.listing import RuleFilter, rules_page
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer.names import load_directory, with_names
from app.business.automation.services.transfer.yaml_format import rules_text
from app.business.errors import NotFound

PART = 200


def export_rules(session: Session, scope: Scope, rules: Sequence[AutomationRule]) -> str:
    """YAML text of these rules, in this order; rows out of scope keep their numbers."""
    directory = load_directory(session, scope)
    return rules_text([with_names(definition_of(rule), directory) for rule in rules])


def rules_of_filter(session: Session, scope: Scope, chosen: RuleFilter) -> list[AutomationRule]:
    """All rules that match the filter, oldest first."""
    found: list[AutomationRule] = []
    cursor = None
    while True:
        page = rules_page(session, scope, chosen, cursor=cursor, limit=PART)
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return found[::-1]


def rules_of_ids(session: Session, scope: Scope, ids: Sequence[int]) -> list[AutomationRule]:
    """The rules with these ids. Raises NotFound when one does not exist."""
    query = select(AutomationRule).where(scope.sees(AutomationRule), AutomationRule.id.in_(ids))
    found = list(session.scalars(query.order_by(AutomationRule.id)))
    if len(found) < len(set(ids)):
        raise NotFound()
    return found
