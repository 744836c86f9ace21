"""Switching rules on and off, by people, by the API and by other rules: one way for all of them."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import settle_notice
from app.business.automation.models import AutomationRule, RuleFailure
from app.business.automation.services.rules.versions import keep_version
from app.business.automation.services.triggering.planning import replan


def switch(
    session: Session, rule: AutomationRule, on: bool, now: datetime, user_id: int | None = None
) -> bool:
    """Turn the rule on or off; time switched off owes nothing. False when it already was so."""
    if rule.is_active == on:
        return False
    rule.is_active = on
    if on:
        forget_failures(session, rule, now)
    keep_version(session, rule, now, user_id)
    replan(session, rule, now)
    return True


def stopped_key(rule_id: int) -> str:
    """The key of the notice that a rule has switched itself off."""
    return f"rule-stopped-{rule_id}"


def forget_failures(session: Session, rule: AutomationRule, now: datetime) -> None:
    """A rule that is switched on begins anew to count its failures in a row."""
    session.execute(
        update(AutomationRule)
        .where(AutomationRule.id == rule.id)
        .values(failures_in_a_row=0, failing_since=None, stopped_at=None)
    )
    session.execute(delete(RuleFailure).where(RuleFailure.rule_id == rule.id))
    settle_notice(session, rule.account_id, stopped_key(rule.id), now)
