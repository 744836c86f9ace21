"""Wakes waiting runs: they become pending when what they wait for is available."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleDay, RuleRecord
from app.business.automation.run_models import Cause, ScheduledTask, Status, Waiting
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.local_days import next_local_day
from app.business.automation.services.runs.opening import RUN_QUEUES
from app.business.base import Assigned
from app.business.events import wake
from app.business.updates import changed_rows

LONGEST_WAIT = timedelta(days=30)
"""After waiting this long a run is tried once more, and ends if it would have to wait again."""

WAKES_AT_ONCE = 20
"""Runs woken together when credits or records become free: those that do not fit wait again, so nobody is blocked."""


def anybody_waits(session: Session, account_id: int) -> bool:
    """Whether a run of the account waits for something that the end of another run may release."""
    return session.scalar(_WAITERS, {"account": account_id}) is not None


_WAITERS = (
    select(ScheduledTask.id)
    .where(
        ScheduledTask.account_id == bindparam("account"),
        ScheduledTask.waiting_for.in_([Waiting.PREVIOUS, Waiting.CREDITS]),
    )
    .limit(1)
)


def wake_previous(session: Session, run: ScheduledTask) -> None:
    """`run` has ended: wake the next run of its rule that waits for its turn, and those that wait for its records."""
    wake_next_in_turn(session, run)
    waiter = ScheduledTask
    chosen = (
        select(waiter.id)
        .where(
            waiter.automation_rule_id == run.automation_rule_id,
            waiter.waiting_for == Waiting.PREVIOUS,
            waiter.waits_for_run_id.is_not(None),
            waiter.id != run.id,
        )
        # Other runs of the rule may find what they need among its records too.
        .order_by(waiter.waits_for_run_id != run.id, waiter.priority, waiter.scheduled_at, waiter.id)
        .limit(WAKES_AT_ONCE)
    )
    if ids := session.scalars(chosen).all():
        _wake(session, waiter.id.in_(ids))


def wake_next_in_turn(session: Session, run: ScheduledTask) -> None:
    """`run` has ended or waits: wake the next run of its rule that waits for its turn.

    Runs that wait for records are not woken: two of them would wake each other endlessly.
    """
    following = session.scalar(next_in_turn(run))
    if following is not None:
        _wake(session, ScheduledTask.id == following)


def next_in_turn(run: ScheduledTask) -> Select[int]:
    """The first run of the same rule, and site where it is split, that waits for its turn."""
    return (
        select(ScheduledTask.id)
        .where(
            ScheduledTask.automation_rule_id == run.automation_rule_id,
            ScheduledTask.split_site_id == run.split_site_id,
            ScheduledTask.waiting_for == Waiting.PREVIOUS,
            ScheduledTask.waits_for_run_id.is_(None),
            ScheduledTask.id != run.id,
        )
        .order_by(*_AS_INDEXED)
        .limit(1)
    )


_AS_INDEXED = (
    # The same in all of them; PostgreSQL reads them in the index's order only where it is named.
    ScheduledTask.waits_for_run_id,
    ScheduledTask.priority,
    ScheduledTask.scheduled_at,
    ScheduledTask.id,
)


def wake_for_credits(session: Session, account_id: int) -> None:
    """Credits may be free: wake the waiting runs that fit, by priority, then oldest first; others block nobody."""
    free = (
        select(Account.credits_balance - Account.credits_held)
        .where(Account.id == account_id)
        .scalar_subquery()
    )
    chosen = (
        select(ScheduledTask.id)
        .where(
            ScheduledTask.account_id == account_id,
            ScheduledTask.waiting_for == Waiting.CREDITS,
            ScheduledTask.credits_needed <= free,
        )
        .order_by(ScheduledTask.priority, ScheduledTask.scheduled_at, ScheduledTask.id)
        .limit(WAKES_AT_ONCE)
    )
    if ids := session.scalars(chosen).all():
        _wake(session, ScheduledTask.id.in_(ids))


def wake_after_pause(session: Session, account_id: int) -> None:
    """Automation was resumed."""
    paused = ScheduledTask.account_id == account_id, ScheduledTask.waiting_for == Waiting.PAUSE
    _wake(session, *paused, skip_locked=False)


def wake_rule(session: Session, rule_id: int) -> None:
    """The rule's limits were edited: wake all its waiting runs, to check their limits again."""
    _wake(
        session,
        ScheduledTask.automation_rule_id == rule_id,
        ScheduledTask.waiting_for.is_not(None),
        ScheduledTask.waiting_for.not_in([Waiting.REVIEW, Waiting.PERSON]),
        skip_locked=False,
    )


def wake_reviewed(session: Session, run_ids: Collection[int]) -> None:
    """A person has continued them."""
    reviewed = ScheduledTask.id.in_(run_ids), ScheduledTask.waiting_for == Waiting.REVIEW
    _wake(session, *reviewed, skip_locked=False)


def wake_answered(session: Session, run_id: int) -> None:
    """A person has answered what the run has asked."""
    _wake(session, ScheduledTask.id == run_id, ScheduledTask.waiting_for == Waiting.PERSON, skip_locked=False)


def wake_for_budget(session: Session, account_id: int, site_id: int | None = None) -> None:
    """The account's daily ceiling, or the monthly budget of one of its sites, was changed: wake runs that wait for
    it."""
    mine = [ScheduledTask.account_id == account_id, ScheduledTask.waiting_for == Waiting.BUDGET]
    if site_id is not None:
        mine.append(or_(ScheduledTask.site_id == site_id, ScheduledTask.site_id.is_(None)))
    _wake(session, *mine, skip_locked=False)


def waits_until(run: ScheduledTask) -> datetime | None:
    """When a waiting run ends without having run; None for one that does not wait."""
    if run.waiting_for == Waiting.PERSON:
        return run.not_before
    return run.waiting_since + LONGEST_WAIT if run.waiting_for and run.waiting_since else None


def waited_too_long(run: ScheduledTask, now: datetime) -> bool:
    """Whether the run has waited for the longest time allowed."""
    return run.waiting_since is not None and now - run.waiting_since >= LONGEST_WAIT


def wake_what_is_due(session: Session, now: datetime) -> int:
    """From the sweep: wake runs on a new day, after new credits, when the run they wait for is gone, or when they
    waited too long."""
    until_then = ScheduledTask.waiting_for.in_([Waiting.BUDGET, Waiting.PERSON])
    woken = _wake(session, until_then, ScheduledTask.not_before <= now)
    woken += _wake_on_new_days(session, now)
    for account_id in session.scalars(
        select(ScheduledTask.account_id).where(ScheduledTask.waiting_for == Waiting.CREDITS).distinct()
    ).all():
        wake_for_credits(session, account_id)
    woken += _wake(
        session, ScheduledTask.waiting_for.is_not(None), ScheduledTask.waiting_since <= now - LONGEST_WAIT
    )
    return woken + _wake_when_records_are_free(session) + _wake_in_turn(session, now)


def _wake_on_new_days(session: Session, now: datetime) -> int:
    """For each rule and site wake as many runs as today's limit allows.

    The others are checked again, on the same day while the limit is not reached: a skipped run does not count.
    """
    run, woken = ScheduledTask, 0
    due = run.waiting_for == Waiting.DAY, run.status == Status.PENDING, run.not_before <= now
    runs_on = AutomationRule.is_active & AutomationRule.archived_at.is_(None)
    groups = (
        select(run.automation_rule_id, run.split_site_id, Account.timezone)
        .add_columns(case((runs_on, AutomationRule.max_executions_per_day)))
        .join(AutomationRule, AutomationRule.id == run.automation_rule_id)
        .join(Account, Account.id == run.account_id)
        .where(*due)
        .distinct()
        .order_by(run.automation_rule_id, run.split_site_id)
    )
    for rule_id, split_site_id, zone, limit in session.execute(groups).all():
        mine = *due, run.automation_rule_id == rule_id, run.split_site_id == split_site_id
        if limit is None:
            # Each of them ends as skipped, whatever the day.
            woken += _wake(session, *mine)
            continue
        local = now.astimezone(ZoneInfo(zone))
        room = limit - _counted(session, rule_id, split_site_id, local.date())
        if room > 0:
            room -= _coming(session, rule_id, split_site_id, now)
            woken += _wake_first(session, mine, room) if room > 0 else 0
        else:
            _change(session, mine, {"not_before": next_local_day(local)})
    return woken


def _counted(session: Session, rule_id: int, split_site_id: int, day: date) -> int:
    """Runs that the limit of the day has counted."""
    counted = select(RuleDay.used).where(
        RuleDay.rule_id == rule_id, RuleDay.local_day == day, RuleDay.split_site_id == split_site_id
    )
    return session.scalar(counted) or 0


def _coming(session: Session, rule_id: int, split_site_id: int, now: datetime) -> int:
    """Runs that are due and not yet counted."""
    run = ScheduledTask
    coming = select(func.count()).where(
        run.automation_rule_id == rule_id,
        run.split_site_id == split_site_id,
        run.status == Status.PENDING,
        run.waiting_for.is_(None),
        run.admitted_at.is_(None),
        func.coalesce(run.not_before, run.scheduled_at) <= now,
    )
    return session.scalar(coming) or 0


def _wake_first(session: Session, where: Sequence[ColumnElement[bool]], most: int) -> int:
    run = ScheduledTask
    chosen = select(run.id).where(*where).order_by(run.priority, run.scheduled_at, run.id).limit(most)
    return _wake(session, run.id.in_(session.scalars(chosen).all()))


def _wake_when_records_are_free(session: Session) -> int:
    """Wake runs whose records were released without waking them."""
    row = RuleRecord
    held = select(row.id).where(row.run_id == ScheduledTask.waits_for_run_id, row.state == "claimed").exists()
    return _wake(
        session,
        ScheduledTask.waiting_for == Waiting.PREVIOUS,
        ScheduledTask.waits_for_run_id.is_not(None),
        ~held,
    )


def _wake_in_turn(session: Session, now: datetime) -> int:
    """Wake runs that wait for their turn with no run before them. Runs that wait themselves block nobody."""
    other = aliased(ScheduledTask)
    is_earlier = other.scheduled_at < ScheduledTask.scheduled_at
    is_due = other.waiting_for.is_(None) & (func.coalesce(other.not_before, other.scheduled_at) <= now)
    is_next = or_(is_due, (other.waiting_for == Waiting.PREVIOUS) & other.waits_for_run_id.is_(None))
    serial = (
        ScheduledTask.cause.in_(SERIAL_CAUSES)
        & other.cause.in_(SERIAL_CAUSES)
        & ((other.status == Status.RUNNING) | (other.status == Status.PENDING) & is_earlier & is_next)
    )
    planned = (
        (ScheduledTask.cause == Cause.SCHEDULE)
        & (other.cause == Cause.SCHEDULE)
        & (other.split_site_id == ScheduledTask.split_site_id)
        & other.status.in_([Status.PENDING, Status.RUNNING])
        & other.waiting_for.is_distinct_from(Waiting.PERSON)
        & (other.begins_at < ScheduledTask.begins_at)
    )
    same_rule = other.automation_rule_id == ScheduledTask.automation_rule_id
    busy = select(other.id).where(same_rule, other.id != ScheduledTask.id, or_(serial, planned)).exists()
    in_turn = ScheduledTask.waiting_for == Waiting.PREVIOUS, ScheduledTask.waits_for_run_id.is_(None)
    return _wake(session, *in_turn, ~busy)


def _wake(session: Session, *where: ColumnElement[bool], skip_locked: bool = True) -> int:
    """skip_locked: leaves out what another transaction is changing; the sweep looks at those again."""
    awake = {"waiting_for": None, "waits_for_run_id": None, "not_before": None}
    count = _change(session, where, awake, skip_locked=skip_locked)
    if count:
        wake(session, RUN_QUEUES)
    return count


def _change(
    session: Session,
    where: Sequence[ColumnElement[bool]],
    values: Mapping[str, Assigned],
    *,
    skip_locked: bool = True,
) -> int:
    """Of several workers nobody waits for another's rows, or all lock them in the order of their ids: no deadlocks."""
    locked = (
        select(ScheduledTask.id)
        .where(ScheduledTask.status == Status.PENDING, *where)
        .order_by(ScheduledTask.id)
        .with_for_update(skip_locked=skip_locked, key_share=True)
    )
    changed = update(ScheduledTask).where(ScheduledTask.id.in_(locked)).values(values)
    return changed_rows(session, changed)
