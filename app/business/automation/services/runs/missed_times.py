"""Planned times found too late: which of them are made up for, and a row with the reason for each of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import RunOptions
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.calendars.applied_calendars import closed_rules
from app.business.automation.services.calendars.closed_times import Settled
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.due_rule import DueRule
from app.business.automation.services.runs.opening import Opening
from app.business.automation.services.runs.planned_runs import Lost, PlannedRun
from app.business.automation.services.schedules.calendar import due_instants
from app.business.base import RowValues
from app.business.time_zones import time_in

LATE = timedelta(minutes=1)
"""A due instant without a row counts as missed after this time, not just as late."""
LATEST_START = timedelta(minutes=15)
"""A run that starts later than this counts as missed, whether the machine was down or workers were busy."""
MOST_ROWS = 100
NONE_MADE_UP = "This rule does not make up for missed times."
OFFLINE = "We were offline at this time."
MOVED: Final = "moved"
"""Option of a run: why it was moved, in a sentence."""
EDITED = "The rule was changed or switched off before we were back."


@dataclass(frozen=True)
class CatchUp:
    """Missed times, oldest first: those that run now, and those that do not, with the reason."""

    made_up: list[datetime]
    lost: list[datetime]
    why: str = ""


def apply_catch_up(
    rule: DueRule, missed: list[datetime], now: datetime, due_at: datetime | None = None
) -> CatchUp:
    """Apply the rule's catch-up setting to the `missed` times.

    due_at: a later time that is due now and runs anyway. A moved time counts as of the moment it was moved to.
    """
    if rule.catch_up == "none":
        return CatchUp([], missed, NONE_MADE_UP)
    if rule.catch_up == "all":
        why = f"Of the missed times the latest {MOST_ROWS} are made up for; this one is older."
        return CatchUp(missed[-MOST_ROWS:], missed[:-MOST_ROWS], why)
    if due_at is not None:
        return CatchUp([], missed, _replaced_by(due_at, rule.times.timezone))
    *older, latest = missed
    if latest < now - timedelta(hours=rule.catch_up_hours):
        return CatchUp([], missed, _too_long_ago(rule.catch_up_hours))
    return CatchUp([latest], older, _replaced_by(latest, rule.times.timezone))


def began_late(run: ScheduledTask, now: datetime) -> bool:
    """Whether a run that was planned in time starts so late that its time counts as missed."""
    return run.waiting_since is None and now - run.begins_at > LATEST_START


def why_not_now(session: Session, context: RunContext) -> str | None:
    """Why a late run is not started any more; None where it is.

    Whatever the cause, it gives way to a later time of its rule that is due too: after an absence one run starts, not
    all that had been planned.
    """
    run, rule, late = context.run, context.definition, context.now - context.run.begins_at
    if run.waiting_since is not None or late <= LATE:
        return None
    said = f"It could not start at its time, {time_in(run.begins_at, context.zone)}."
    if began_late(run, context.now):
        if rule.catch_up == "none":
            return f"{said} {NONE_MADE_UP}"
        if late > timedelta(hours=rule.catch_up_hours):
            return f"{said} {_too_long_ago(rule.catch_up_hours)}"
    newer_at = _newer_planned(session, run, context.now) or _newer_unplanned(session, context)
    return f"{said} {_replaced_by(newer_at, context.zone)}" if newer_at else None


def _newer_planned(session: Session, run: ScheduledTask, now: datetime) -> datetime | None:
    return session.scalar(
        select(func.max(ScheduledTask.begins_at)).where(
            ScheduledTask.automation_rule_id == run.automation_rule_id,
            ScheduledTask.split_site_id == run.split_site_id,
            ScheduledTask.cause == Cause.SCHEDULE,
            ScheduledTask.status != Status.SKIPPED,
            ScheduledTask.reason.is_distinct_from(Reason.CLOSED_DAY),
            ScheduledTask.begins_at > run.begins_at,
            ScheduledTask.begins_at <= now,
        )
    )


def _newer_unplanned(session: Session, context: RunContext) -> datetime | None:
    """A later time without a row yet: workers may be back before the planner is."""
    unplanned_from = context.rule.unplanned_from
    if unplanned_from is None or unplanned_from > context.now:
        return None
    # From the present rule, because the run may be one of an earlier version.
    schedule = read_definition(context.rule).times
    if schedule.named_zone is None:
        schedule = schedule.in_zone(context.zone.key)
    start = max(context.run.scheduled_at, unplanned_from - timedelta(microseconds=1))
    closed = closed_rules(session, [context.rule]).of(context.rule, context.run.split_site_id)
    settled = (closed.settle(schedule, at) for at in due_instants(schedule, start, context.now))
    starts = [one.start_at for one in settled if one.start_at and one.start_at <= context.now]
    return max(starts, default=None)


def _too_long_ago(hours: int) -> str:
    return f"That is more than {hours} h ago, too long to make up for."


def _replaced_by(at: datetime, zone: ZoneInfo | str) -> str:
    return f"Replaced by the run planned for {time_in(at, zone)}."


def missed_runs(
    rule: AutomationRule | DueRule, lost: list[datetime], why: str, *, site_id: int, version: int
) -> list[PlannedRun]:
    """A skipped row for each lost time; all except the latest hundred share one row with a count."""
    sentences = [(at, f"{OFFLINE} {why}") for at in lost]
    many = f"We were offline for {{count:,}} planned times. {why}"
    return _skipped_runs(rule, sentences, many, Reason.MISSED, site_id, version)


def closed_runs(
    rule: AutomationRule | DueRule, closed: Sequence[Settled], *, site_id: int, version: int
) -> list[PlannedRun]:
    """A skipped row for each past time at which the calendar was closed, folded like missed ones."""
    sentences = [(one.planned_at, one.why) for one in closed]
    many = "The calendar was closed at {count:,} planned times."
    return _skipped_runs(rule, sentences, many, Reason.CLOSED_DAY, site_id, version)


def _skipped_runs(
    rule: AutomationRule | DueRule,
    sentences: list[tuple[datetime, str]],
    many: str,
    reason: Reason,
    site_id: int,
    version: int,
) -> list[PlannedRun]:
    folded, single = sentences[:-MOST_ROWS], sentences[-MOST_ROWS:]
    rows: list[tuple[datetime, str, RowValues]] = [(at, said, {}) for at, said in single]
    if folded:
        first_at, last_at = folded[0][0], folded[-1][0]
        counts: RowValues = {"count": len(folded), "first_at": first_at, "last_at": last_at}
        rows.append((last_at, many.format(count=len(folded)), counts))
    return [
        PlannedRun(rule, planned_opening(Settled(at, at), site_id), Lost(said, version, reason, counts))
        for at, said, counts in rows
    ]


def planned_run(
    rule: AutomationRule | DueRule, settled: Settled, site_id: int, *, in_turn: bool = False
) -> PlannedRun:
    """The pending run of a planned time. One that is skipped when its time comes has the reason from now on."""
    options: RunOptions = {"in_turn": True} if in_turn else {}
    if settled.is_moved:
        options[MOVED] = settled.why
    opening = replace(planned_opening(settled, site_id), options=options)
    return PlannedRun(rule, opening, closed="" if settled.start_at else settled.why)


def planned_opening(settled: Settled, site_id: int) -> Opening:
    """The opening of a run at a planned time, for one site where the rule is split by site."""
    moved_to_at = settled.start_at if settled.is_moved else None
    opening = Opening(
        cause=Cause.SCHEDULE,
        scheduled_at=settled.planned_at,
        moved_to_at=moved_to_at,
        split_site_id=site_id,
    )
    return replace(opening, site_id=site_id) if site_id else opening
