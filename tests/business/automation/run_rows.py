"""Rows of rules and runs for tests of the read side, made without the engine."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry
from tests.factories import NOW

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}


def make_rule(session: Session, account: Account, **values: Any) -> AutomationRule:
    """A rule that only sends a notice, made as people make rules."""
    now = values.pop("now", NOW)
    data = {"name": "A rule", "trigger": "keyword_added", "actions": [NOTIFY]} | values
    data["name"] = free_name(session, account.id, data["name"])
    return AutomationService().create_rule(session, account, data, Actor(None), now)


def make_run(
    session: Session, rule: AutomationRule, at: datetime, status: Status = Status.COMPLETED, **values: Any
) -> ScheduledTask:
    """A run of the rule as it stands after it came to `status`."""
    run = open_run(session, rule, Opening(values.pop("cause", Cause.MANUAL), at))
    run.status = status
    if status in (Status.FAILED, Status.SKIPPED):
        run.reason, run.error_message = "action_failed", "It failed."
    if status != Status.PENDING:
        run.started_at = run.finished_at = at
    for name, value in values.items():
        setattr(run, name, value)
    session.flush()
    return run


def add_charge(
    session: Session,
    run: ScheduledTask,
    step: int,
    action: str,
    credits: int,
    at: datetime,
    site_id: int | None = None,
) -> ActionRun:
    """A unit of the run's work, returned, with its entry in the ledger if it cost anything."""
    of: dict[str, Any] = {"account_id": run.account_id, "run_id": run.id}
    key = f"r{run.id}-s{step}-1"
    unit = ActionRun(
        **of, step=step, type=action, record_type="cluster", record_id=1, status="done", provider_key=key,
        credits=credits, started_at=at,
    )  # fmt: skip
    session.add(unit)
    if credits:
        entry = {"kind": "charge", "balance_after": 0, "reason": "Work", "key": key, "created_at": at}
        session.add(CreditEntry(**of, amount=-credits, site_id=site_id, **entry))
    session.flush()
    return unit
