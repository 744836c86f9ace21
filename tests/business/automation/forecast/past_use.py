"""Paid rules and their past use, in the real ledger and its counters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.billing.services.credit_service import Budget, BudgetScope, CreditService
from tests.business.automation.run_rows import make_rule, make_run

IDEAS: dict[str, Any] = {"type": "generate_ideas", "params": {}}


def make_paid_rule(session: Session, account: Account, at: datetime, **values: Any) -> AutomationRule:
    """A rule that generates ideas for new clusters, created at that time."""
    data = {"trigger": "cluster_created", "actions": [IDEAS], "credit_limit_per_execution": 1000} | values
    return make_rule(session, account, now=at, **data)


def use(session: Session, rule: AutomationRule, amount: int, at: datetime, **values: Any) -> ScheduledTask:
    """A run of the rule that used `amount` credits at that time."""
    run = make_run(session, rule, at, **{"cause": "event", "credits_used": amount} | values)
    budgets = [
        Budget(BudgetScope.ACCOUNT, rule.account_id, at.date().isoformat(), None),
        Budget(BudgetScope.RULE, rule.id, f"{at:%Y-%m}", None),
    ]
    budgets.append(Budget(BudgetScope.SITE, run.site_id or 0, f"{at:%Y-%m}", None))
    of: dict[str, Any] = {"account_id": rule.account_id, "run_id": run.id, "now": at}
    CreditService().hold(session, amount=amount, budgets=budgets, **of)
    charge = {"key": f"r{run.id}", "reason": "Ideas", "site_id": run.site_id}
    CreditService().post(session, amount=amount, **charge, **of)
    CreditService().release(session, **of)
    return run


def make_steady_rule(session: Session, account: Account) -> AutomationRule:
    """A paid rule that has used twenty credits a day for four weeks, committed."""
    now = datetime.now(UTC)
    rule = make_paid_rule(session, account, now - timedelta(days=60), name="Ideas at once")
    for back in range(1, 29):
        use(session, rule, 20, now - timedelta(days=back))
    session.commit()
    return rule
