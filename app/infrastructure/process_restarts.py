"""Which processes the supervisor restarted, when and why: append-only rows, kept for a week."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Index, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.business.base import Base, Id, Text, UtcDateTime

SHOWN_FOR = timedelta(days=7)
MOST_SHOWN = 50
STOOD_STILL = "It had been stopped by a signal and did not go on, so it was ended."
SIGNALS = {
    signal.SIGKILL: "It was killed (SIGKILL): by somebody, or by the system because memory ran out.",
    signal.SIGTERM: "Somebody asked it to end (SIGTERM).",
    signal.SIGINT: "Somebody interrupted it (SIGINT).",
    signal.SIGSEGV: "It crashed (SIGSEGV), which is a fault in a library.",
    signal.SIGABRT: "It gave up (SIGABRT), which is a fault in a library.",
}


class ProcessRestart(Base):
    """One end of a process that the supervisor was not asked for."""

    __tablename__ = "process_restart"
    __table_args__ = (Index("ix_process_restart_ended_at", "ended_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    process: Mapped[str] = mapped_column(Text(64))
    host: Mapped[str] = mapped_column(Text(255))
    pid: Mapped[int]
    cause: Mapped[str] = mapped_column(Text(255))
    ended_at: Mapped[datetime]


@dataclass(frozen=True)
class Ended:
    """A process of this machine that has ended."""

    process: str
    host: str
    pid: int
    cause: str
    at: datetime


@dataclass(frozen=True)
class Restarts:
    """The latest restarts, newest first, and their number on each of the last seven days of the zone, oldest first."""

    shown: Sequence[ProcessRestart]
    days: Mapping[date, int]

    @property
    def count(self) -> int:
        """All of these days together."""
        return sum(self.days.values())


def cause_of(status: int) -> str:
    """The cause in words, from the wait status of a process."""
    # As os.waitstatus_to_exitcode: negative for a signal.
    number, code = status & 0x7F, status >> 8
    if not number:
        return (
            "It ended by itself."
            if code == 0
            else f"It ended with an error (exit code {code}); the log says which."
        )
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"It was ended by signal {number}."
    return SIGNALS.get(name) or f"It was ended by a signal ({name.name})."


def note_restart(session: Session, ended: Ended) -> None:
    """Record it, and prune those that no page shows any more."""
    session.execute(delete(ProcessRestart).where(ProcessRestart.ended_at <= ended.at - SHOWN_FOR))
    session.add(
        ProcessRestart(
            process=ended.process, host=ended.host, pid=ended.pid, cause=ended.cause, ended_at=ended.at
        )
    )


def restarts(session: Session, now: datetime, zone: ZoneInfo) -> Restarts:
    """Those of today and the six days before it."""
    today = now.astimezone(zone).date()
    first = today - SHOWN_FOR + timedelta(days=1)
    recent = {"since": datetime.combine(first, time(), zone)}
    shown = session.scalars(_LATEST, recent).all()
    days = dict.fromkeys((first + timedelta(days=number) for number in range(SHOWN_FOR.days)), 0)
    is_all = len(shown) < MOST_SHOWN
    for at in [one.ended_at for one in shown] if is_all else session.scalars(_TIMES, recent):
        days[at.astimezone(zone).date()] += 1
    return Restarts(shown, days)


_RECENT = ProcessRestart.ended_at >= bindparam("since", type_=UtcDateTime())
_LATEST = (
    select(ProcessRestart)
    .where(_RECENT)
    .order_by(ProcessRestart.ended_at.desc(), ProcessRestart.id.desc())
    .limit(MOST_SHOWN)
)
_TIMES = select(ProcessRestart.ended_at).where(_RECENT)
