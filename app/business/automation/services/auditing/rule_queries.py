"""The audit's checks that need a rule's definition: its times, its limits, and the events it should have received.

Each yields the rows that break its invariant, as (account id, what is wrong).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session

from app.business.automation.delivery_models import BatchDelivery, Delivery
from app.business.automation.models import AutomationRule, RuleActivation, RuleDay, RuleVersion
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.runs.planned_runs import planned_runs
from app.business.automation.services.schedules.calendar import Schedule, due_instants
from app.business.automation.services.triggering.activations import site_schedules
from app.business.automation.services.triggering.event_matching import read_events
from app.business.automation.services.triggering.failed_deliveries import somebody_must_act
from app.business.automation.services.triggering.planning import WINDOW
from app.business.events import Event, EventBatch

MOST_DAYS = timedelta(days=35)
GRACE = timedelta(seconds=120)

Rows = Iterator[tuple[int, str]]
Time = tuple[int, datetime]
"""A site (0 where the rule is not split) and a planned time."""


def missing_times(session: Session, now: datetime) -> Rows:
    """Due times without a row, recomputed for every period in which a rule was on."""
    since = now - MOST_DAYS
    spans = select(RuleActivation).where((RuleActivation.to_at.is_(None)) | (RuleActivation.to_at > since))
    for span in session.scalars(spans):
        start, end = max(span.from_at, since), min(span.to_at or now, now)
        rule = session.get_one(AutomationRule, span.rule_id)
        unplanned = rule.unplanned_from
        if unplanned and unplanned < now - WINDOW and span.to_at is None:
            yield rule.account_id, f"rule {rule.id} at {unplanned}"
        known = _planned(session, rule.id, start, end)
        for site_id, at in _due(session, span, start, end):
            planned_later = unplanned is not None and at >= unplanned
            is_known = (site_id, at) in known or _is_folded(session, rule.id, site_id, at)
            if not planned_later and not is_known:
                yield rule.account_id, _time(rule.id, site_id, at)


def times_never_due(session: Session, now: datetime) -> Rows:
    """Planned rows at times that were not due in any version of the schedule in force."""
    since = now - MOST_DAYS
    planned = (ScheduledTask.cause == "schedule", ScheduledTask.scheduled_at > since)
    rules = select(ScheduledTask.account_id, ScheduledTask.automation_rule_id).where(*planned).distinct()
    for account_id, rule_id in session.execute(rules).all():
        spans = select(RuleActivation).where(
            RuleActivation.rule_id == rule_id,
            (RuleActivation.to_at.is_(None)) | (RuleActivation.to_at > since),
        )
        due: set[Time] = set()
        for span in session.scalars(spans):
            due.update(_due(session, span, max(span.from_at, since), min(span.to_at or now, now)))
        for site_id, at in sorted(_planned(session, rule_id, since, now) - due):
            yield account_id, _time(rule_id, site_id, at)


def runs_over_their_limit(session: Session, _now: datetime, from_id: int, to_id: int) -> Rows:
    """Runs, of those with these ids, that used more credits than their version of the rule allows."""
    run, rule, version = ScheduledTask, AutomationRule, RuleVersion
    # The rule's present limit selects the few runs whose own version has to be checked.
    query = (
        select(run.account_id, run.id, run.credits_used, version.definition)
        .join(rule, rule.id == run.automation_rule_id)
        .join(version, and_(version.rule_id == rule.id, version.version == run.rule_version))
        # Most runs use none; as a literal, for a partial index serves no parameter.
        .where(run.id.between(from_id, to_id), run.credits_used != literal_column("0"))
        .where(run.credits_used > rule.credit_limit_per_execution)
    )
    for account_id, run_id, used, definition in session.execute(query):
        limit = definition_from(definition).credit_limit_per_execution
        if used > limit:
            yield account_id, f"run {run_id} used {used} credits of {limit}"


def days_over_their_limit(session: Session, _now: datetime) -> Rows:
    """Days on which a rule ran more often than any limit in force that day allowed."""
    rule = AutomationRule
    query = select(RuleDay).join(rule, rule.id == RuleDay.rule_id)
    for day in session.scalars(query.where(RuleDay.used > rule.max_executions_per_day)):
        limit = _limit_that_day(session, day)
        if limit is not None and day.used > limit:
            yield day.account_id, f"rule {day.rule_id} on {day.local_day}: {day.used} of {limit}"


def events_without_delivery(session: Session, now: datetime) -> Rows:
    """Dispatched batches without a delivery to a rule that matched then and has not changed since."""
    batch, rule = EventBatch, AutomationRule
    delivered = exists().where(BatchDelivery.batch_id == batch.id, BatchDelivery.rule_id == rule.id)
    offered = exists().where(Event.batch_id == batch.id, Event.record_type == rule.record_type)
    query = (
        select(batch, rule)
        .join(rule, and_(rule.account_id == batch.account_id, rule.trigger == batch.type))
        .where(batch.dispatched_at > now - MOST_DAYS, rule.is_active, rule.archived_at.is_(None))
        .where(rule.updated_at < batch.closed_at, ~delivered)
        .where(or_(rule.record_type.is_(None), offered))
    )
    for found, listener in session.execute(query).all():
        closed_at = found.closed_at or now
        if listener.updated_at < closed_at - GRACE and read_events(session, found).has_something_for(
            listener
        ):
            yield found.account_id, f"events {found.id} for rule {listener.id}"


def deliveries_given_up(session: Session, _now: datetime) -> Rows:
    """Batches whose delivery to a rule failed, until somebody retries the run or archives the rule."""
    query = (
        select(BatchDelivery)
        .join(AutomationRule, AutomationRule.id == BatchDelivery.rule_id)
        .where(somebody_must_act())
    )
    for row in session.scalars(query):
        yield row.account_id, f"events {row.batch_id} for rule {row.rule_id} (run {row.run_id})"


def deliveries_without_their_runs(session: Session, now: datetime) -> Rows:
    """Delivered batches whose runs, or whose row for unmatched records, are incomplete."""
    run, done = ScheduledTask, BatchDelivery
    of_pair = (run.batch_id == done.batch_id, run.automation_rule_id == done.rule_id)
    opened = select(func.count()).where(*of_pair, run.part > 0).scalar_subquery()
    left_out = select(func.coalesce(func.sum(run.count), 0)).where(*of_pair, run.part == 0).scalar_subquery()
    query = select(done).where(
        done.state == Delivery.DONE,
        done.created_at > now - MOST_DAYS,
        or_(done.runs != opened, done.unmatched != left_out),
    )
    for row in session.scalars(query):
        yield row.account_id, f"events {row.batch_id} for rule {row.rule_id}"


def _limit_that_day(session: Session, day: RuleDay) -> int | None:
    run = ScheduledTask
    first, last = session.execute(
        select(func.min(run.admitted_at), func.max(run.admitted_at)).where(
            run.automation_rule_id == day.rule_id,
            run.counted_day == day.local_day,
            run.split_site_id == day.split_site_id,
        )
    ).one()
    if first is None or last is None:
        return None
    versions = session.execute(
        select(RuleVersion.created_at, RuleVersion.definition)
        .where(RuleVersion.rule_id == day.rule_id, RuleVersion.created_at <= last + GRACE)
        .order_by(RuleVersion.version)
    ).all()
    ends = [created_at for created_at, _ in versions[1:]] + [last + GRACE]
    limits = [
        definition_from(definition).max_executions_per_day
        for (_, definition), end in zip(versions, ends, strict=True)
        if end >= first - GRACE
    ]
    return max(limits, default=None)


def _due(session: Session, span: RuleActivation, start: datetime, end: datetime) -> Iterator[Time]:
    for site_id, schedule in _schedules(session, span).items():
        for at in due_instants(schedule, start, end):
            yield site_id, at


def _schedules(session: Session, span: RuleActivation) -> dict[int, Schedule]:
    query = select(RuleVersion.definition).where(
        RuleVersion.rule_id == span.rule_id, RuleVersion.version == span.version
    )
    definition = definition_from(session.scalars(query).one())
    return site_schedules(definition, span.zones)


def _planned(session: Session, rule_id: int, start: datetime, end: datetime) -> set[Time]:
    query = planned_runs(ScheduledTask.split_site_id, ScheduledTask.scheduled_at).where(
        ScheduledTask.automation_rule_id == rule_id,
        ScheduledTask.scheduled_at > start,
        ScheduledTask.scheduled_at <= end,
    )
    return {(site_id, at) for site_id, at in session.execute(query)}


def _is_folded(session: Session, rule_id: int, site_id: int, at: datetime) -> bool:
    query = select(ScheduledTask.id).where(
        ScheduledTask.automation_rule_id == rule_id,
        ScheduledTask.split_site_id == site_id,
        ScheduledTask.first_at <= at,
        ScheduledTask.last_at >= at,
    )
    return session.scalar(query.limit(1)) is not None


def _time(rule_id: int, site_id: int, at: datetime) -> str:
    return f"rule {rule_id} at {at}" + (f" on site {site_id}" if site_id else "")
