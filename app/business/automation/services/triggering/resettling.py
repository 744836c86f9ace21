"""After a change of a calendar: what becomes of planned runs that have not begun.

Planned times stay; only when their runs start changes, or whether they do. Rules are locked as planning locks them, so
that a row is settled by the old calendar before this, or by the new one after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_documents import RunOptions
from app.business.automation.run_models import Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.calendars.applied_calendars import closed_rules
from app.business.automation.services.calendars.closed_times import ClosedRule, Settled
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.runs.due_rule import COLUMNS, DueRule, stored_times
from app.business.automation.services.runs.missed_times import MOVED
from app.business.automation.services.runs.planned_runs import planned_runs
from app.business.automation.services.schedules.calendar import Schedule
from app.business.automation.services.triggering.activations import present_zones
from app.business.base import RowValues
from app.business.errors import Invalid

Key = tuple[int, int]
"""A rule, and one of its versions or sites."""
Change = RowValues
"""The run, when it starts, and the values of its columns, each with `_` behind its name."""


@dataclass(frozen=True, slots=True)
class NotBegun:
    """A planned run that has not begun: columns of its row and its detail."""

    id: int
    rule_id: int
    rule_version: int
    split_site_id: int
    scheduled_at: datetime
    moved_to_at: datetime | None
    reason: str | None
    error_message: str
    queue: str
    options: RunOptions


def resettle(session: Session, account_id: int, site_id: int | None, now: datetime) -> None:
    """Settle the planned runs of all rules that the calendar of the site, or of the account, may apply to."""
    rules = {rule.id: rule for rule in _held(session, account_id, site_id)}
    rows = _not_begun(session, list(rules), now) if rules else []
    if not rows:
        return
    closed, schedules = closed_rules(session, rules.values()), _schedules(session, rules, rows)
    changes: list[tuple[str, datetime, Change]] = []
    for row in rows:
        rule = rules[row.rule_id]
        schedule = schedules.get((row.id, row.split_site_id))
        if schedule is None:
            continue
        settled = _settled(closed.of(rule, row.split_site_id), schedule, row, now)
        if change := _change(row, settled):
            changes.append((row.queue, settled.start_at or row.scheduled_at, change))
    _write(session, account_id, [change for _, _, change in changes], now)
    alarms = session.info.setdefault("alarms", set())
    alarms.update((starts_at, queue) for queue, starts_at, _ in changes)


def _held(session: Session, account_id: int, site_id: int | None) -> list[DueRule]:
    """The scheduled rules that are on, locked until the transaction ends."""
    rule = AutomationRule
    query = select(*COLUMNS).where(
        rule.account_id == account_id, rule.trigger == "schedule", rule.archived_at.is_(None)
    )
    if site_id is not None:
        split = and_(rule.site_id.is_(None), rule.split_by == "site")
        query = query.where(or_(rule.site_id == site_id, split))
    rows = session.execute(query.order_by(rule.id).with_for_update(key_share=True))
    return [DueRule(*row) for row in rows]


def _begins_later(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    run = ScheduledTask
    return and_(
        run.status == Status.PENDING, run.attempt == 0, run.waiting_for.is_(None), run.begins_at > now
    )


def _not_begun(session: Session, rule_ids: list[int], now: datetime) -> Sequence[NotBegun]:
    run = ScheduledTask
    query = planned_runs(
        run.id, run.automation_rule_id, run.rule_version, run.split_site_id, run.scheduled_at, run.moved_to_at,
        run.reason, run.error_message, run.queue, RunDetail.options,
    )  # fmt: skip
    detail = and_(RunDetail.account_id == run.account_id, RunDetail.run_id == run.id)
    rows = session.execute(
        query.join(RunDetail, detail)
        .where(run.automation_rule_id.in_(rule_ids), _begins_later(now))
        .order_by(run.id)
    )
    return [NotBegun(*row) for row in rows]


def _schedules(
    session: Session, rules: Mapping[int, DueRule], rows: Sequence[NotBegun]
) -> dict[Key, Schedule]:
    """The schedule that each run follows: of its own version of the rule, which may be an older one."""
    older = {(row.rule_id, row.rule_version) for row in rows}
    older -= {(rule.id, rule.version) for rule in rules.values()}
    stored = _stored(session, older) if older else {}
    zones = present_zones(session, [rule.id for rule in rules.values() if rule.split_by == "site"])
    found: dict[Key, Schedule] = {}
    for row in rows:
        rule = rules[row.rule_id]
        try:
            own = stored.get((rule.id, row.rule_version))
            schedule = rule.times if own is None else stored_times(own)
        except Invalid:
            continue  # The watch reports the rule.
        zone = zones.get(rule.id, {}).get(str(row.split_site_id))
        found[row.id, row.split_site_id] = (
            schedule.in_zone(zone) if zone and schedule.named_zone is None else schedule
        )
    return found


def _stored(session: Session, versions: Iterable[Key]) -> dict[Key, JsonObject]:
    version = RuleVersion
    query = select(version.rule_id, version.version, version.definition).where(
        tuple_(version.rule_id, version.version).in_(sorted(versions))
    )
    found = (
        (rule_id, number, definition_from(said).schedule) for rule_id, number, said in session.execute(query)
    )
    return {(rule_id, number): schedule.as_json() for rule_id, number, schedule in found if schedule}


def _settled(closed: ClosedRule, schedule: Schedule, row: NotBegun, now: datetime) -> Settled:
    """A run that waits for the day it was moved to goes on to wait for an open moment, whatever its rule says now."""
    if row.scheduled_at > now:
        return closed.settle(schedule, row.scheduled_at)
    moving = ClosedRule(closed.opening, "move" if closed.opening else "run")
    settled = moving.settle(schedule, row.scheduled_at)
    if settled.start_at is None or settled.start_at > now:
        return settled
    opening = closed.opening
    found = None if opening is None or opening.is_open(now) else opening.next_opening(now)
    return Settled(row.scheduled_at, found[0] if found else now, str(row.options.get(MOVED, "")))


def _change(row: NotBegun, settled: Settled) -> Change | None:
    moved_to_at = settled.start_at if settled.is_moved else None
    reason, message = (Reason.CLOSED_DAY, settled.why) if settled.start_at is None else (None, "")
    options = row.options.copy()
    options.pop(MOVED, None)
    if moved_to_at:
        options[MOVED] = settled.why
    before = (row.moved_to_at, row.reason, row.error_message, row.options)
    if before == (moved_to_at, reason, message, options):
        return None
    return {
        "run": row.id,
        "moved_to_at_": moved_to_at,
        "not_before_": moved_to_at,
        "reason_": reason,
        "error_message_": message,
        "options_": options,
    }


_RUN = (
    update(ScheduledTask)
    .where(
        ScheduledTask.account_id == bindparam("account_id_1"),
        ScheduledTask.id == bindparam("run"),
        _begins_later(bindparam("now_")),
    )
    .values(
        {name: bindparam(f"{name}_") for name in ("moved_to_at", "not_before", "reason", "error_message")}
    )
)
_OPTIONS = (
    update(RunDetail)
    .where(RunDetail.account_id == bindparam("account_id_1"), RunDetail.run_id == bindparam("run"))
    .values(options=bindparam("options_"))
)


def _write(session: Session, account_id: int, changes: list[Change], now: datetime) -> None:
    if not changes:
        return
    rows = [change | {"account_id_1": account_id, "now_": now} for change in changes]
    connection = session.connection()
    connection.execute(_RUN, rows)
    connection.execute(_OPTIONS, rows)
    session.expire_all()
