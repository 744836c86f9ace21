"""Switches off rules that have failed too often in a row, with a notice on since when and why."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services import audit_log
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.automation.models import AutomationRule, RuleFailure
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.triggering import rule_switch
from app.business.outlets.services.notifying import Message, notify


def stop_failing_rules(session: Session, now: datetime, rule_id: int | None = None) -> int:
    """Switch off every rule (or this one) whose consecutive failures have reached its limit; returns the number."""
    rule = AutomationRule
    failing = select(rule).where(
        rule.is_active, rule.stop_after_failures > 0, rule.failures_in_a_row >= rule.stop_after_failures
    )
    if rule_id is not None:
        failing = failing.where(rule.id == rule_id)
    found = session.scalars(failing.execution_options(populate_existing=True)).all()
    for one in found:
        _stop(session, one, now)
    return len(found)


def _stop(session: Session, rule: AutomationRule, now: datetime) -> None:
    last = select(RuleFailure.run_id).where(RuleFailure.rule_id == rule.id).order_by(RuleFailure.id.desc())
    run = session.get_one(ScheduledTask, session.scalars(last.limit(1)).one())
    rule.stopped_at = now
    rule_switch.switch(session, rule, False, now)
    data = {"version": rule.version, "failures": rule.failures_in_a_row, "run": run.id}
    audit_log.record(session, rule.account_id, audit_log.AuditActor(), "rule.stopped", rule, data, now)
    count = rule.failures_in_a_row
    times = "once" if count == 1 else f"{count:,} times in a row"
    notify(
        session,
        rule.account_id,
        Message(
            kind=NoticeKind.ATTENTION,
            level="danger",
            title=f"“{rule.name}” has failed {times} and is switched off",
            body=f"{_why(session, rule, run, now)} {_missed(session, rule)} {_what_to_do(rule)}",
            role=Role.OPERATOR,
            key=rule_switch.stopped_key(rule.id),
            rule_id=rule.id,
            run_id=run.id,
            path=f"/rules/{rule.id}",
            label="Open the rule",
        ),
        now,
    )


def _why(session: Session, rule: AutomationRule, run: ScheduledTask, now: datetime) -> str:
    zone = session.get_one(Account, rule.account_id).timezone
    since = (rule.failing_since or now).astimezone(ZoneInfo(zone))
    return f"It has failed since {since:%d %b %H:%M} ({zone}). The last time: {run.error_message}"


def _missed(session: Session, rule: AutomationRule) -> str:
    """The runs and records that failed since then."""
    runs, records = session.execute(
        select(func.count(), func.coalesce(func.sum(ScheduledTask.record_count), 0)).where(
            ScheduledTask.automation_rule_id == rule.id,
            ScheduledTask.status == Status.FAILED,
            ScheduledTask.finished_at >= rule.failing_since,
        )
    ).one()
    failed = "1 run has failed" if runs == 1 else f"{runs:,} runs have failed"
    over = "" if not records else " over 1 record" if records == 1 else f" over {records:,} records"
    return f"Since then {failed}{over}; what they finished stays."


def _what_to_do(rule: AutomationRule) -> str:
    later = (
        "Planned times until then are left out."
        if rule.trigger == "schedule"
        else "Then you are asked whether it shall also take what came meanwhile."
    )
    return f"Mend the cause, retry the failed runs, and switch the rule on again on its page. {later}"
