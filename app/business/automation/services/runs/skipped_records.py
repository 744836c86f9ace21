"""The records of a run that was skipped because of a limit, or undone: a person may run them now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.catalogue.record_models import known_ids
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.pricing import affordable

LIMITS = (Reason.DAILY_LIMIT, Reason.INSUFFICIENT_CREDITS, Reason.BUDGET, Reason.LIMIT_BELOW_PRICE)
WANTED: Final = "wanted"
"""Option of a run that selected its records itself: the records it would have worked on."""


@dataclass(frozen=True)
class RunAgain:
    """The records of the run that still exist."""

    run_id: int
    record_type: str
    records: list[int]


def keep_wanted(run: ScheduledTask, detail: RunDetail, admission: Admission) -> None:
    """Store the records of a run skipped by a limit, where they are not stored with the run already."""
    if run.status == Status.SKIPPED and run.reason in LIMITS and detail.records is None:
        detail.options = detail.options | {WANTED: admission.choice.ids}


def run_again(session: Session, run: ScheduledTask, now: datetime) -> RunAgain | None:
    """What a person may start instead of the run, with the rule's present version; None if nothing."""
    wanted = run.detail.records or run.detail.options.get(WANTED)
    is_limited = run.status == Status.SKIPPED and run.reason in LIMITS
    if not (is_limited or run.undo_id) or not wanted or run.from_step:
        return None
    rule = session.get_one(AutomationRule, run.automation_rule_id)
    record_type = rule.record_type if run.record_type == rule.record_type else None
    if rule.archived_at or record_type is None:
        return None
    here = known_ids(session, record_type, wanted, rule.account_id)
    records = [key for key in wanted if key in here]
    context = _as_started_now(session, run, rule, now)
    if not affordable(session, context, records, rule.credit_limit_per_execution):
        return None
    return RunAgain(run.id, record_type, records)


def _as_started_now(session: Session, run: ScheduledTask, rule: AutomationRule, now: datetime) -> RunContext:
    account = session.get_one(Account, rule.account_id)
    definition = read_definition(rule)
    return RunContext(run, run.detail, rule, definition, account, None, now)
