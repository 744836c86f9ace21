"""Whether every planned time and every event has a row that records its result."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule, RuleActivation, RuleVersion
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.due_rule import StoredTimes
from app.business.automation.services.schedules.calendar import Schedule, due_instants
from app.business.automation.services.triggering.activations import site_schedules
from app.business.automation.services.triggering.failed_deliveries import somebody_must_act
from app.business.base import Id, UtcDateTime
from app.business.errors import Invalid
from app.business.events import EventBatch
from app.business.kept_queries import kept_queries
from app.business.likelihood import usually
from app.business.plain_rows import plain_rows
from app.business.words_as_text import words_as_text

KEPT = 1_000
"""Definitions of which a process remembers the times."""
WITHIN = timedelta(hours=24)
GRACE = timedelta(seconds=120)
"""Planned times and batches newer than this may still be in progress."""
ACCOUNT = bindparam("account_id", type_=Id)
SINCE, UNTIL = (bindparam(name, type_=UtcDateTime()) for name in ("since", "until"))


class PlannedSpan(NamedTuple):
    """A schedule in force: of which rule, from when to when, on which sites, by which definition, as it is stored."""

    rule_id: int
    from_at: datetime
    to_at: datetime | None
    zones: dict[str, str]
    definition: str

    @property
    def times(self) -> StoredTimes:
        return _times_in(self.definition)


@lru_cache(maxsize=KEPT)
def _times_in(definition: str) -> StoredTimes:
    said: JsonObject = json.loads(definition)
    split_by, schedule = said.get("split_by"), said.get("schedule")
    return StoredTimes(str(split_by), schedule if isinstance(schedule, dict) else {})


@dataclass(frozen=True, slots=True)
class Accounted:
    """Planned times that have a run; stretches, from the first to the last, of runs for many missed times."""

    times: set[datetime] = field(default_factory=set)
    stretches: list[tuple[datetime, datetime]] = field(default_factory=list)

    def missing(self, due: Iterable[datetime]) -> int:
        """How many of these have none."""
        left = set(due) - self.times
        return sum(not any(first_at <= at <= last_at for first_at, last_at in self.stretches) for at in left)


Times = Mapping[tuple[int, int], Accounted]
"""By rule and site."""
NONE = Accounted()
Walk = Callable[[Schedule, datetime, datetime], Sequence[datetime]]
"""Gives the due times of a schedule, walked through once for all rules with equal ones."""


def unaccounted(session: Session, account_id: int, now: datetime) -> int:
    """The number of planned times of the last day without a run, and of batches that were not matched with rules.

    Three queries. Zero unless something was lost or has stopped.
    """
    open_events = plain_rows(session, _open_events(), {"account_id": account_id, "until": now - GRACE})[0][0]
    return times_without_run(session, account_id, now) + open_events


def times_without_run(session: Session, account_id: int, now: datetime) -> int:
    """The planned times alone: two queries."""
    since, until = now - WITHIN, now - GRACE
    bounds = {"account_id": account_id, "since": since, "until": until}
    spans = [PlannedSpan(*row) for row in plain_rows(session, _spans(), bounds)]
    runs = _times_of(plain_rows(session, _planned_runs(), bounds)) if spans else {}
    walk = cache(_due)
    return sum(_missing(span, runs, since, until, walk) for span in spans)


@kept_queries(1)
def _spans() -> Select[int, datetime, datetime | None, dict[str, str], str]:
    """Which schedule was in force at which time, and on which sites. Kept, as are those below: many pages ask them."""
    version = and_(
        RuleVersion.rule_id == RuleActivation.rule_id, RuleVersion.version == RuleActivation.version
    )
    return (
        select(
            RuleActivation.rule_id,
            RuleActivation.from_at,
            RuleActivation.to_at,
            RuleActivation.zones,
            cast(RuleVersion.definition, String),
        )
        .join(RuleVersion, version)
        .where(
            RuleActivation.account_id == ACCOUNT,
            RuleActivation.from_at < UNTIL,
            or_(RuleActivation.to_at.is_(None), RuleActivation.to_at > SINCE),
        )
    )


@kept_queries(1)
def _planned_runs() -> CompoundSelect[int, int, datetime, datetime | None]:
    """Of each the time that it stands for; where it stands for several, the first and the last."""
    first_at = func.coalesce(ScheduledTask.first_at, ScheduledTask.scheduled_at)
    query = select(
        ScheduledTask.automation_rule_id,
        ScheduledTask.split_site_id,
        first_at,
        case((ScheduledTask.last_at > first_at, ScheduledTask.last_at)),
    ).where(
        ScheduledTask.account_id == ACCOUNT,
        ScheduledTask.scheduled_at >= SINCE,
        ScheduledTask.scheduled_at <= UNTIL,
        ScheduledTask.cause == Cause.SCHEDULE,
        usually(ScheduledTask.follows_id.is_(None)),
    )
    # By one status after the other: so the index of causes leads to the planned ones among all runs of the day.
    return words_as_text(union_all(*(query.where(ScheduledTask.status == status) for status in Status)))


def _times_of(rows: Iterable[Row[int, int, datetime, datetime | None]]) -> Times:
    times = defaultdict[tuple[int, int], Accounted](Accounted)
    for rule_id, site_id, first_at, last_at in rows:
        accounted = times[rule_id, site_id]
        accounted.times.add(first_at)
        if last_at:
            accounted.stretches.append((first_at, last_at))
    return times


def _due(schedule: Schedule, start: datetime, end: datetime) -> Sequence[datetime]:
    return tuple(due_instants(schedule, start, end))


def _missing(span: PlannedSpan, runs: Times, since: datetime, until: datetime, walk: Walk) -> int:
    try:
        schedules = site_schedules(span.times, span.zones)
    except Invalid:
        return 0  # Its due times are not known; the watch reports the rule.
    start, end = max(span.from_at, since), min(span.to_at or until, until)
    return sum(
        runs.get((span.rule_id, site_id), NONE).missing(walk(schedule, start, end))
        for site_id, schedule in schedules.items()
    )


@kept_queries(1)
def _open_events() -> Select[int]:
    return words_as_text(select(open_events()))


def open_events() -> ColumnElement[int]:
    """The number of batches that were not matched with rules; its parameters are `account_id` and `until`, the end of
    what must be done by now."""
    return _unread_batches().scalar_subquery() + _open_deliveries().scalar_subquery()


def _unread_batches() -> Select[int]:
    """Of any age."""
    return (
        select(func.count())
        .select_from(EventBatch)
        .where(
            EventBatch.account_id == ACCOUNT,
            EventBatch.closed_at < UNTIL,
            EventBatch.dispatched_at.is_(None),
        )
    )


def _open_deliveries() -> Select[int]:
    """Deliveries that are being retried, and failed ones until somebody acts."""
    waits = (BatchDelivery.state == Delivery.PENDING) & (BatchDelivery.created_at < UNTIL)
    return (
        select(func.count())
        .select_from(BatchDelivery)
        .join(AutomationRule, AutomationRule.id == BatchDelivery.rule_id)
        .where(BatchDelivery.account_id == ACCOUNT, or_(waits, somebody_must_act()))
    )
