"""Which rules the person may open: whoever is limited to sites sees the runs of a rule over all sites, not the rule."""

from flask import g
from sqlalchemy import select

from app.business.automation.models import AutomationRule
from app.infrastructure.database import db
from app.modules.access import current_person


def opens_rule(rule_id: int) -> bool:
    """Whether the rule has a page for the person; for people with limits one query for a whole page."""
    person = current_person()
    if person.sees_all:
        return True
    if "rules_seen" not in g:
        g.rules_seen = set(
            db.session.scalars(select(AutomationRule.id).where(person.scope.sees(AutomationRule)))
        )
    return rule_id in g.rules_seen
