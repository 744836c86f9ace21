"""Names rules that events usually start, and have not for unusually long; withdraws it with the next event.

How long is unusual follows from the rule's own history (`rhythm` says how). It is worked out once for each silence of
an hour or more, and again when the rule was changed meanwhile: what a rule that was off did not hear is no silence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import notice_of, settle_notice
from app.business.automation.models import AutomationRule
from app.business.automation.rhythm_models import RuleRhythm
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.triggering.listening import Listening, listening_of
from app.business.automation.services.triggering.rhythm import FEWEST, LEAST, rhythm_of
from app.business.base import RowValues
from app.business.events import EventType
from app.business.outlets.services.notifying import Message, notify
from app.business.upsert import upsert

KNOWN = timedelta(weeks=8)
LONGEST_KNOWN = timedelta(weeks=26)
"""Where eight weeks have few events, such as those of every Monday: back to twice as many as are needed."""
MOST_TIMES = 1_000
WHAT_TO_DO = (
    "Look whether what should start it still happens: an import, another rule, or people's work. If it is quiet for a "
    "good reason, nothing need be done."
)


@dataclass(frozen=True)
class LastEvent:
    """An active rule that events start, and the last of them."""

    rule_id: int
    account_id: int
    name: str
    rule_version: int
    site_id: int | None
    zone: str
    at: datetime


@dataclass(frozen=True)
class Known:
    """Which of its runs are looked at."""

    last: LastEvent
    since: datetime

    @property
    def runs(self) -> tuple[ColumnElement[bool], ...]:
        """Clauses of them."""
        run = ScheduledTask
        return (
            run.account_id == self.last.account_id,
            run.automation_rule_id == self.last.rule_id,
            run.status.in_(list(Status)),
            run.cause == Cause.EVENT,
            run.scheduled_at >= self.since,
            run.scheduled_at <= self.last.at,
        )


def watch_silence(session: Session, now: datetime) -> int:
    """Raise and withdraw the notices; returns the number of rules that are silent."""
    latest = last_events(session)
    known = {row.rule_id: row for row in session.scalars(select(RuleRhythm))}
    silent = 0
    for one in latest:
        row = known.get(one.rule_id)
        has_heard = row is not None and row.last_event_at != one.at
        was_named = row is not None and row.silent_from is not None
        is_changed = row is not None and row.rule_version != one.rule_version
        if row is None or has_heard or is_changed:
            row = _work_out(session, one) if now - one.at >= LEAST else None
        is_silent = row is not None and row.silent_from is not None and row.silent_from <= now
        if was_named and (has_heard or (is_changed and not is_silent)):
            settle_notice(session, one.account_id, notice_key(one.rule_id), now)
        if row is not None and is_silent:
            silent += 1
            _notify(session, one, row, now)
    return silent


def notice_key(rule_id: int) -> str:
    return f"silent-{rule_id}"


def last_events(session: Session) -> list[LastEvent]:
    """Active rules that events start and have started, of accounts that are not paused."""
    rule = AutomationRule
    query = (
        select(rule.id, rule.account_id, rule.name, rule.version, rule.site_id, Account.timezone)
        .join(Account, Account.id == rule.account_id)
        .where(
            rule.is_active,
            rule.archived_at.is_(None),
            rule.trigger.in_([str(event) for event in EventType]),
            Account.status == AccountStatus.ACTIVE,
            Account.paused_at.is_(None),
        )
        .order_by(rule.id)
    )
    rows = session.execute(query).all()
    found = []
    for row in rows:
        at = _latest(session, row.account_id, row.id)
        if at is not None:
            place = row.version, row.site_id, row.timezone
            found.append(LastEvent(row.id, row.account_id, row.name, *place, at))
    return found


def _latest(session: Session, account_id: int, rule_id: int) -> datetime | None:
    """One look into the index for each status."""
    run = ScheduledTask
    newest = (
        select(run.scheduled_at)
        .where(
            run.account_id == account_id,
            run.automation_rule_id == rule_id,
            run.status == status,
            run.cause == Cause.EVENT,
        )
        .order_by(run.scheduled_at.desc())
        .limit(1)
        .subquery()
        for status in Status
    )
    times = session.scalars(union_all(*(select(one.c.scheduled_at) for one in newest))).all()
    return max(times, default=None)


def _work_out(session: Session, last: LastEvent) -> RuleRhythm:
    listening = listening_of(session, last.account_id, last.rule_id)
    known = _known(session, last, listening)
    times = _times(session, known)
    start = listening.silence_from(last.at)
    by_hour = _by_hour(session, known, times)
    rhythm = rhythm_of(times, by_hour, ZoneInfo(last.zone), start, listening.switched_on)
    values: RowValues = {
        "last_event_at": last.at,
        "rule_version": last.rule_version,
        "usual_by": rhythm.usual_by if rhythm else None,
        "silent_from": rhythm.silent_from if rhythm else None,
    }
    place: RowValues = {"account_id": last.account_id, "rule_id": last.rule_id}
    upsert(session, RuleRhythm, place | values, unique=["rule_id"], change=values)
    query = select(RuleRhythm).where(RuleRhythm.rule_id == last.rule_id)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _known(session: Session, last: LastEvent, listening: Listening) -> Known:
    """Its runs by events of the last weeks, since it has listened to what it listens to now."""
    long_ago = last.at - LONGEST_KNOWN
    longest = Known(last, max(long_ago, listening.since or long_ago))
    run = ScheduledTask
    query = select(run.scheduled_at).where(*longest.runs).distinct().order_by(run.scheduled_at.desc())
    enough = session.scalar(query.offset(2 * FEWEST - 1).limit(1)) or longest.since
    return Known(last, max(longest.since, min(enough, last.at - KNOWN)))


def _times(session: Session, known: Known) -> list[datetime]:
    """The latest instants at which events have started it, oldest first."""
    run = ScheduledTask
    query = select(run.scheduled_at).where(*known.runs).distinct().order_by(run.scheduled_at.desc())
    return sorted(session.scalars(query.limit(MOST_TIMES)))


def _by_hour(session: Session, known: Known, times: Sequence[datetime]) -> Mapping[datetime, int]:
    """Their number by the hour; where there are too many to look at each, the database counts them."""
    if len(times) < MOST_TIMES:
        return Counter(time.replace(minute=0, second=0, microsecond=0) for time in times)
    at = ScheduledTask.scheduled_at
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    hour_of = (
        func.to_char(func.timezone("UTC", at), "YYYY-MM-DD HH24:00")
        if is_postgresql
        else func.strftime("%Y-%m-%d %H:00", at)
    )
    rows = session.execute(select(hour_of, func.count(at.distinct())).where(*known.runs).group_by(hour_of))
    return {datetime.fromisoformat(f"{hour}+00:00"): count for hour, count in rows}


def _notify(session: Session, last: LastEvent, row: RuleRhythm, now: datetime) -> None:
    """Once for each silence, whether it was read or not."""
    if notice_of(session, last.account_id, notice_key(last.rule_id)):
        return
    zone = ZoneInfo(last.zone)
    came = f"{last.at.astimezone(zone):%a %d %b %H:%M}"
    usual = f"{row.usual_by.astimezone(zone):%a %d %b %H:%M}" if row.usual_by else ""
    message = Message(
        kind=NoticeKind.LATE,
        level="warning",
        title=f"Nothing has started “{last.name[:180]}” for unusually long",
        body=f"The last event came {came} ({last.zone}). Judging by its last weeks, the next was to be expected by "
        f"{usual}. {WHAT_TO_DO}",
        key=notice_key(last.rule_id),
        role=Role.OPERATOR,
        rule_id=last.rule_id,
        site_id=last.site_id,
        path=f"/rules/{last.rule_id}",
        label="Open the rule",
    )
    notify(session, last.account_id, message, now)
