"""Switches rules on and off, for people, the API and other rules."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import settle_notice
from app.business.automation.models import AutomationRule, RuleFailure
from app.business.automation.services.rules.versions import keep_version
from app.business.automation.services.triggering.planning import replan


def switch(
    session: Session,
    rule: AutomationRule,
    on: bool,
    now: datetime,
    user_id: int | None = None,
    *,
    resumed: bool = False,
) -> bool:
    """Switch the rule on or off; no times count while it is off. False if it already was.

    resumed: another rule does it. Raises ApprovalNeeded.
    """
    if rule.is_active == on:
        return False
    rule.is_active = on
    if on:
        forget_failures(session, rule, now)
    keep_version(session, rule, now, user_id, resumed=resumed)
    replan(session, rule, now)
    return True


def stopped_key(rule_id: int) -> str:
    """Key of the notice that a rule has switched itself off."""
    return f"rule-stopped-{rule_id}"


def forget_failures(session: Session, rule: AutomationRule, now: datetime) -> None:
    """Reset the count of consecutive failures of a rule that is switched on."""
    session.execute(
        update(AutomationRule)
        .where(AutomationRule.id == rule.id)
        .values(failures_in_a_row=0, failing_since=None, stopped_at=None)
    )
    session.execute(delete(RuleFailure).where(RuleFailure.rule_id == rule.id))
    settle_notice(session, rule.account_id, stopped_key(rule.id), now)
