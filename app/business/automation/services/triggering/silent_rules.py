"""Names rules that events usually start, and have not for unusually long; withdraws it with the next event.

How long is unusual follows from the rule's own history (`rhythm` says how). It is worked out once for each silence of
ten minutes or more, and again when the rule was changed meanwhile: what a rule that was off did not hear is no silence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
from app.business.automation.services.transactions import Transaction
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
class Expected:
    """What was worked out after this event, for this version of the rule."""

    last_event_at: datetime
    rule_version: int
    usual_by: datetime | None
    silent_from: datetime | None

    def holds_for(self, last: LastEvent) -> bool:
        return (self.last_event_at, self.rule_version) == (last.at, last.rule_version)

    def is_silent(self, now: datetime) -> bool:
        return self.silent_from is not None and self.silent_from <= now


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


def watch_silence(transaction: Transaction, reading: Transaction, now: datetime) -> int:
    """Raise and withdraw the notices, of each rule in a transaction of its own; returns how many are silent.

    reading: opens a transaction that only reads.
    """
    with reading() as session:
        latest = last_events(session)
        known = _worked_out(session)
    silent = 0
    for one in latest:
        before = known.get(one.rule_id)
        if before and before.holds_for(one):
            if not before.is_silent(now):
                continue
        elif now - one.at < LEAST and not (before and before.silent_from):
            continue
        with transaction() as session:
            silent += _watch_rule(session, one, before, now)
    return silent


def _watch_rule(session: Session, last: LastEvent, before: Expected | None, now: datetime) -> bool:
    """Whether it is silent. before: what was worked out when it was looked at last."""
    expected = before if before and before.holds_for(last) else None
    if expected is None and now - last.at >= LEAST:
        expected = _work_out(session, last)
    is_silent = expected is not None and expected.is_silent(now)
    if before and before.silent_from and (before.last_event_at != last.at or not is_silent):
        settle_notice(session, last.account_id, notice_key(last.rule_id), now)
    if expected and is_silent:
        _notify(session, last, expected, now)
    return is_silent


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


def _worked_out(session: Session) -> dict[int, Expected]:
    """By rule."""
    row = RuleRhythm
    query = select(row.rule_id, row.last_event_at, row.rule_version, row.usual_by, row.silent_from)
    return {
        rule_id: Expected(last_event_at, version, usual_by, silent_from)
        for rule_id, last_event_at, version, usual_by, silent_from in session.execute(query)
    }


def _work_out(session: Session, last: LastEvent) -> Expected:
    listening = listening_of(session, last.account_id, last.rule_id)
    known = _known(session, last, listening)
    times = _times(session, known)
    start = listening.silence_from(last.at)
    by_hour = _by_hour(session, known, times)
    rhythm = rhythm_of(times, by_hour, ZoneInfo(last.zone), start, listening.switched_on)
    usual_by, silent_from = (rhythm.usual_by, rhythm.silent_from) if rhythm else (None, None)
    expected = Expected(last.at, last.rule_version, usual_by, silent_from)
    place: RowValues = {"account_id": last.account_id, "rule_id": last.rule_id}
    upsert(session, RuleRhythm, place | asdict(expected), unique=["rule_id"], change=asdict(expected))
    return expected


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


def _notify(session: Session, last: LastEvent, expected: Expected, now: datetime) -> None:
    """Once for each silence, whether it was read or not."""
    if notice_of(session, last.account_id, notice_key(last.rule_id)):
        return
    zone = ZoneInfo(last.zone)
    came = f"{last.at.astimezone(zone):%a %d %b %H:%M}"
    usual = f"{expected.usual_by.astimezone(zone):%a %d %b %H:%M}" if expected.usual_by else ""
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
