"""Locks the rules of a transaction of many runs."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.draining.pace import Began, Pace


def lock_rules(session: Session, rule_ids: Collection[int], pace: Pace) -> Began:
    """Lock the rules in the order of their ids, as whoever saves a rule does before its runs: no deadlocks.

    Returns when that was.
    """
    rules = select(AutomationRule.id).where(AutomationRule.id.in_(rule_ids)).order_by(AutomationRule.id)
    session.execute(rules.with_for_update(key_share=True))
    return pace.begin()
