"""What the daily sums of runs say and what the runs themselves say, and a world of runs that change."""

from collections import Counter
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, Cause, Reason, ScheduledTask, Status
from app.business.automation.services.history import rule_days, run_days, run_sums
from app.business.automation.total_models import PACES
from app.business.periods import day_of, last_days
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_sector, make_site

ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland"]
OUTCOMES: list[tuple[Status, str | None]] = [
    (Status.COMPLETED, None), (Status.FAILED, Reason.ACTION_FAILED), (Status.FAILED, Reason.BUDGET),
    (Status.SKIPPED, Reason.SHADOW), (Status.SKIPPED, Reason.CONDITIONS),
]  # fmt: skip
DAYS = 30


def shown(session: Session, scope: Scope, zone: str, now: datetime) -> Counter[tuple[date, str, str]]:
    of = run_sums.ended_runs(scope, last_days(DAYS, zone, now), zone, now).c
    query = select(of.on, of.status, of.reason, func.sum(of.runs)).group_by(of.on, of.status, of.reason)
    rows = session.execute(query.having(func.sum(of.runs) != 0))
    return Counter({(on, status, reason): int(runs) for on, status, reason, runs in rows})


def from_runs(session: Session, scope: Scope, zone: str, now: datetime) -> Counter[tuple[date, str, str]]:
    """The same, run by run."""
    dates = last_days(DAYS, zone, now).dates
    runs = session.scalars(select(ScheduledTask).where(scope.sees(ScheduledTask)))
    return Counter(
        (on, str(run.status), run.reason or "")
        for run in runs.all()
        if run.status in CLOSED
        and run.scheduled_at <= now
        and (on := day_of(run.scheduled_at, zone)) in dates
    )


def starts_shown(session: Session, scope: Scope, zone: str, now: datetime) -> Counter[int]:
    of = run_sums.planned_starts(scope, last_days(DAYS, zone, now), zone, now).c
    rows = session.execute(select(of.late, func.sum(of.runs)).group_by(of.late))
    return +Counter({late: int(runs) for late, runs in rows})


def starts_from_runs(session: Session, scope: Scope, zone: str, now: datetime) -> Counter[int]:
    """The same, run by run."""
    dates = last_days(DAYS, zone, now).dates
    return Counter(
        next((n for n, most in enumerate(PACES) if late <= most), len(PACES))
        for run in session.scalars(select(ScheduledTask).where(scope.sees(ScheduledTask)))
        if (run.cause, run.status, run.attempt) == ("schedule", "completed", 1)
        and not (run.follows_id or run.waiting_since)
        and run.started_at
        and run.scheduled_at <= now
        and day_of(run.scheduled_at, zone) in dates
        for late in [(run.started_at - run.begins_at).total_seconds()]
    )


def by_rule(
    session: Session, scope: Scope, rules: list[int], zone: str, now: datetime
) -> dict[tuple[int, date], rule_days.DayEnds]:
    found = rule_days.ends_by_day(session, scope, rules, last_days(DAYS, zone, now), zone, now)
    return {(rule_id, on): ends for rule_id, days in found.items() for on, ends in days.items()}


def by_rule_from_runs(
    session: Session, scope: Scope, rules: list[int], zone: str, now: datetime
) -> dict[tuple[int, date], rule_days.DayEnds]:
    """The same, run by run."""
    dates = last_days(DAYS, zone, now).dates
    found: dict[tuple[int, date], Counter[str]] = {}
    for run in session.scalars(select(ScheduledTask).where(scope.sees(ScheduledTask))):
        on = day_of(run.scheduled_at, zone)
        if (
            run.status in CLOSED
            and run.scheduled_at <= now
            and on in dates
            and run.automation_rule_id in rules
        ):
            found.setdefault((run.automation_rule_id, on), Counter())[str(run.status)] += 1
    return {key: rule_days.DayEnds(**counted) for key, counted in found.items()}


class World:
    """Runs that come, end, are tried again and disappear."""

    def __init__(self, session: Session, chance: Random, now: datetime) -> None:
        self.session, self.chance, self.now = session, chance, now
        self.account = make_account(session, timezone=chance.choice(ZONES))
        self.site = make_site(session, self.account)
        make_sector(session, self.site)
        self.rules = [
            make_rule(session, self.account),
            make_rule(session, self.account),
            make_rule(session, make_account(session)),
        ]

    def at(self) -> datetime:
        return self.now + timedelta(minutes=self.chance.randrange(-40 * 24 * 60, 12 * 60))

    def open(self) -> None:
        cause = self.chance.choice([Cause.SCHEDULE, Cause.MANUAL, Cause.EVENT])
        rule, at = (
            self.chance.choice(self.rules),
            self.at() + timedelta(microseconds=self.chance.randrange(10**6)),
        )
        run = make_run(self.session, rule, at, Status.PENDING, cause=cause)
        run.attempt = self.chance.choice([0, 1, 1, 2])
        if self.chance.random() < 0.2:
            run.moved_to_at = at + timedelta(hours=3)
        if self.chance.random() < 0.2:
            run.waiting_since = at
        if run.account_id == self.account.id and self.chance.random() < 0.5:
            run.site_id = self.site.id

    def end(self) -> None:
        """By the row of an object, or of several by one statement."""
        status, reason = self.chance.choice(OUTCOMES)
        ended = {"status": status, "reason": reason, "finished_at": self.now, "error_message": "x"}
        ended["started_at"] = self.at()
        ids = self._some((Status.PENDING,))
        self.session.execute(update(ScheduledTask).where(ScheduledTask.id.in_(ids)).values(**ended))

    def end_one(self) -> None:
        for id in self._some((Status.PENDING,))[:1]:
            run = self.session.get_one(ScheduledTask, id)
            run.status, run.reason = self.chance.choice(OUTCOMES)
            # None within a millisecond of where a class begins: SQLite knows no less of an instant.
            late = timedelta(seconds=self.chance.choice([-1, 0, 0.09, 0.11, 0.3, 2.5, 91, 100_000]))
            run.started_at = run.begins_at + late
            run.finished_at = run.started_at + timedelta(seconds=self.chance.choice([0, 0.5, 7]))

    def retry(self) -> None:
        again = {"status": Status.PENDING, "reason": None, "finished_at": None}
        ids = self._some((Status.FAILED,))
        self.session.execute(update(ScheduledTask).where(ScheduledTask.id.in_(ids)).values(**again))

    def change_reason(self) -> None:
        ids = self._some((Status.FAILED, Status.SKIPPED))
        values = {"reason": Reason.CANCELLED, "error_message": "y"}
        self.session.execute(update(ScheduledTask).where(ScheduledTask.id.in_(ids)).values(**values))

    def insert_ended(self) -> None:
        like = self.session.scalars(select(ScheduledTask)).first()
        if like is None:
            return
        row = {c.name: getattr(like, c.name) for c in ScheduledTask.__table__.columns if c.name != "id"}
        rows = [row | {"status": "skipped", "reason": "missed", "scheduled_at": self.at()} for _ in range(3)]
        self.session.execute(insert(ScheduledTask), rows)

    def lose(self) -> None:
        for id in self._some(CLOSED)[:1]:
            self.session.execute(text("DELETE FROM run_detail WHERE run_id = :id"), {"id": id})
            self.session.execute(delete(ScheduledTask).where(ScheduledTask.id == id))

    def bring_on(self) -> None:
        run_days.bring_on(self.session, self.account.id, self.account.timezone, self.chance.randrange(1, 4))

    def add_changes(self) -> None:
        run_days.add_changes(
            self.session, {self.account.id: self.account.timezone}, self.chance.randrange(1, 4)
        )

    def move(self) -> None:
        if self.chance.random() < 0.2:
            self.account.timezone = self.chance.choice(ZONES)

    def _some(self, statuses: Any) -> list[int]:
        ids = self.session.scalars(select(ScheduledTask.id).where(ScheduledTask.status.in_(statuses))).all()
        return self.chance.sample(list(ids), min(len(ids), 3))


def compare(session: Session, scope: Scope, world: World, now: datetime) -> None:
    of, rules = (session, scope, world.account.timezone, now), [rule.id for rule in world.rules[:2]]
    assert shown(*of) == from_runs(*of)
    assert starts_shown(*of) == starts_from_runs(*of)
    of_rules = (session, scope, rules, world.account.timezone, now)
    assert by_rule(*of_rules) == by_rule_from_runs(*of_rules)
