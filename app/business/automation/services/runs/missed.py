"""Planned times found too late: which of them are made up for, and a row with a sentence for each of the others."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.runs.opening import Opening, record_skip

LATE = timedelta(minutes=1)
"""A due instant found without a row this long after it was missed, not merely late."""
LATEST_START = timedelta(minutes=15)
"""A run that comes to its turn later than this was missed, whoever was at fault: the machine or busy workers."""
MOST_ROWS = 100
NONE_MADE_UP = "This rule does not make up for missed times."
OFFLINE = "We were offline at this time."
EDITED = "The rule was changed or switched off before we were back."


@dataclass(frozen=True)
class Verdict:
    """Missed times, oldest first: those that run now, and those that do not, with why."""

    made_up: list[datetime]
    lost: list[datetime]
    why: str = ""


def judge(rule: AutomationRule, missed: list[datetime], now: datetime) -> Verdict:
    """What the rule's choice for times when we were offline says about the `missed` ones."""
    if rule.catch_up == "none":
        return Verdict([], missed, NONE_MADE_UP)
    if rule.catch_up == "all":
        why = f"Of the missed times the latest {MOST_ROWS} are made up for; this one is older."
        return Verdict(missed[-MOST_ROWS:], missed[:-MOST_ROWS], why)
    *older, latest = missed
    if latest < now - timedelta(hours=rule.catch_up_hours):
        return Verdict([], missed, _too_long_ago(rule.catch_up_hours))
    return Verdict([latest], older, _replaced_by(latest))


def began_late(run: ScheduledTask, now: datetime) -> bool:
    """Whether a run that was planned in time comes to its turn so late that its time counts as missed."""
    return run.waiting_since is None and now - run.scheduled_at > LATEST_START


def why_not_now(
    session: Session, run: ScheduledTask, catch_up: str, catch_up_hours: int, now: datetime
) -> str | None:
    """Why a run that comes to its turn that late does not start any more; None where it is made up for."""
    said = f"It could not start at its time, {run.scheduled_at:%d %b %H:%M} UTC."
    if catch_up == "none":
        return f"{said} {NONE_MADE_UP}"
    if now - run.scheduled_at > timedelta(hours=catch_up_hours):
        return f"{said} {_too_long_ago(catch_up_hours)}"
    newer_at = session.scalar(
        select(func.max(ScheduledTask.scheduled_at)).where(
            ScheduledTask.automation_rule_id == run.automation_rule_id,
            ScheduledTask.split_site_id == run.split_site_id,
            ScheduledTask.cause == Cause.SCHEDULE,
            ScheduledTask.status != Status.SKIPPED,
            ScheduledTask.scheduled_at > run.scheduled_at,
            ScheduledTask.scheduled_at <= now,
        )
    )
    return f"{said} {_replaced_by(newer_at)}" if newer_at else None


def _too_long_ago(hours: int) -> str:
    return f"That is more than {hours} h ago, too long to make up for."


def _replaced_by(at: datetime) -> str:
    return f"Replaced by the run planned for {at:%d %b %H:%M} UTC."


def record_missed(
    session: Session,
    rule: AutomationRule,
    lost: list[datetime],
    why: str,
    now: datetime,
    *,
    site_id: int,
    version: int,
) -> None:
    """A skipped row for each lost time; those before the latest hundred share one, with their count."""
    folded, single = lost[:-MOST_ROWS], lost[-MOST_ROWS:]
    rows: list[tuple[datetime, str, dict[str, object]]] = [(at, OFFLINE, {}) for at in single]
    if folded:
        counts = {"count": len(folded), "first_at": folded[0], "last_at": folded[-1]}
        rows.append((folded[-1], f"We were offline for {len(folded):,} planned times.", counts))
    for at, sentence, extra in rows:
        opening, message = planned_opening(at, site_id), f"{sentence} {why}"
        record_skip(session, rule, opening, Reason.MISSED, message, now, rule_version=version, **extra)


def planned_opening(instant: datetime, site_id: int) -> Opening:
    """Of a run at a planned time, for one site where the rule is split over its sites."""
    opening = Opening(cause=Cause.SCHEDULE, scheduled_at=instant, split_site_id=site_id)
    return replace(opening, site_id=site_id) if site_id else opening
