"""Numbers of ended runs by day: at every moment those of the runs, however they came to be and changed."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import CLOSED, Cause, Reason, ScheduledTask, Status
from app.business.automation.services.auditing.total_queries import wrong_run_days
from app.business.automation.services.history import dashboard, figures, rule_days, run_days, run_sums
from app.business.automation.services.runs.opening import Opening, run_values
from app.business.automation.total_models import (
    KEYS,
    PACES,
    RuleRunDay,
    RunChange,
    RunDay,
    RunDayState,
    RunPaceDay,
    RunSum,
)
from app.business.periods import day_of, last_days
from app.business.row_sets import insert_each
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_sector, make_site
from tests.query_plans import selected
from tests.sampling import times

pytestmark = pytest.mark.both_databases

ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland"]
OUTCOMES: list[tuple[Status, str | None]] = [
    (Status.COMPLETED, None), (Status.FAILED, Reason.ACTION_FAILED), (Status.FAILED, Reason.BUDGET),
    (Status.SKIPPED, Reason.SHADOW), (Status.SKIPPED, Reason.CONDITIONS),
]  # fmt: skip
DAYS = 30
WRITERS = 8


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


@pytest.mark.parametrize("seed", range(times(full=30, sample=1)))
def test_sums_are_those_of_the_runs_at_every_moment(session: Session, now: datetime, seed: int) -> None:
    chance = Random(seed)
    world = World(session, chance, now)
    whole, limited = Scope(world.account.id), Scope(world.account.id, frozenset({world.site.id}))
    steps = (
        *[world.open] * 3, world.end, world.end_one, world.retry, world.change_reason, world.insert_ended,
        world.lose, *[world.bring_on] * 4, *[world.add_changes] * 2, world.move,
    )  # fmt: skip
    for number in range(90):
        chance.choice(steps)()
        session.flush()
        session.expire_all()
        if number % 3:
            continue
        for scope in (whole, limited):
            compare(session, scope, world, now)
        assert list(wrong_run_days(session, now)) == []
    run_days.keep_sums(lambda: nullcontext(session))
    assert not any(run_days.accounts_behind(session))
    assert session.scalar(select(func.count()).select_from(RunChange)) == 0
    for scope in (whole, limited):
        compare(session, scope, world, now)


def test_changes_of_several_accounts_are_added_together(session: Session, now: datetime) -> None:
    """By as many statements as those of two; one that has moved meanwhile keeps its own until its days are counted."""

    def taken_by(accounts: Sequence[Account]) -> int:
        rules = [make_rule(session, one) for one in accounts]
        session.flush()
        run_days.keep_sums(lambda: nullcontext(session))
        for rule in rules:
            for hours in (0, 5, 30):
                make_run(session, rule, now - timedelta(hours=hours))
        session.flush()
        with selected(session, lambda _statement: True) as statements:
            run_days.keep_sums(lambda: nullcontext(session))
        for one in accounts:
            shown_by = (session, Scope(one.id), one.timezone, now)
            assert shown(*shown_by) == from_runs(*shown_by) != Counter()
        assert list(wrong_run_days(session, now)) == []
        assert session.scalar(select(func.count()).select_from(RunChange)) == 0
        return len(statements)

    accounts = [make_account(session, timezone=zone) for zone in (*ZONES, *ZONES)]
    assert taken_by(accounts[:2]) == taken_by(accounts)
    moved, zones = accounts[0], {one.id: one.timezone for one in accounts}
    make_run(session, make_rule(session, moved), now)
    session.flush()
    session.execute(update(RunDayState).where(RunDayState.account_id == moved.id).values(zone="Asia/Tokyo"))
    assert not run_days.add_changes(session, zones)
    assert session.scalar(select(func.count()).select_from(RunChange)) == 1


def compare(session: Session, scope: Scope, world: World, now: datetime) -> None:
    of, rules = (session, scope, world.account.timezone, now), [rule.id for rule in world.rules[:2]]
    assert shown(*of) == from_runs(*of)
    assert starts_shown(*of) == starts_from_runs(*of)
    of_rules = (session, scope, rules, world.account.timezone, now)
    assert by_rule(*of_rules) == by_rule_from_runs(*of_rules)


def test_figures_are_read_from_the_sums(session: Session, account: Account, now: datetime) -> None:
    rule = make_rule(session, account)
    for status, reason in OUTCOMES:
        make_run(session, rule, now, status, reason=reason)
    make_run(session, rule, now - timedelta(days=3))
    make_run(session, rule, now, Status.PENDING)
    run_days.keep_sums(lambda: nullcontext(session))
    session.execute(update(RunDay).values(runs=RunDay.runs * 10))
    scope = Scope(account.id)
    days = dashboard.outcomes_by_day(session, scope, last_days(7, "UTC", now), "UTC", now)
    assert days[now.date()] == dashboard.Outcomes(completed=10, failed=20, skipped=10, practised=10)
    assert sum(day.completed for day in days.values()) == 20
    found = figures.summary(session, scope, last_days(7, "UTC", now), "UTC", now)
    assert found.runs == {"pending": 1, "running": 0, "completed": 20, "failed": 20, "skipped": 20}


SAID = {RunDay: "0 completed ", RuleRunDay: "{rule} 0 completed", RunPaceDay: "0 -1 0"}


@pytest.mark.parametrize("kind", KEYS)
def test_a_wrong_sum_and_a_lost_change_are_found(
    session: Session, account: Account, now: datetime, kind: RunSum
) -> None:
    rule = make_rule(session, account)
    make_run(session, rule, now)
    run_days.keep_sums(lambda: nullcontext(session))
    session.execute(update(kind).values(runs=kind.runs + 1))
    assert list(wrong_run_days(session, now)) == [
        (account.id, f"2026-11-24 {SAID[kind].format(rule=rule.id)}: +1")
    ]
    session.execute(update(kind).values(runs=kind.runs - 1))
    make_run(session, rule, now, Status.FAILED)
    assert list(wrong_run_days(session, now)) == []
    session.execute(delete(RunChange))
    assert [more[-2:] for _, more in wrong_run_days(session, now)] == ["-1"] * len(KEYS)


def test_runs_that_are_inserted_together_are_one_change(
    session: Session, account: Account, now: datetime
) -> None:
    rules = [make_rule(session, account) for _ in range(2)]
    alike = {"status": Status.COMPLETED, "reason": None, "started_at": now, "finished_at": now, "attempt": 1}
    failed = {"status": Status.FAILED, "reason": Reason.BUDGET}
    kinds = [
        (rules[0], {}, 100),
        (rules[1], {}, 3),
        (rules[0], failed, 2),
        (rules[0], {"status": "pending"}, 4),
    ]
    for rule, differing, number in kinds:
        opening = Opening(cause=Cause.EVENT, scheduled_at=now)
        values = run_values(rule, opening, Status.PENDING) | alike | differing
        insert_each(session, ScheduledTask, [values | {"depth": depth} for depth in range(number)])
    named = RunChange.rule_id, RunChange.status, RunChange.runs
    noted = [tuple(row) for row in session.execute(select(*named).order_by(RunChange.id))]
    first, second = (rule.id for rule in rules)
    assert noted == [(first, "completed", 100), (second, "completed", 3), (first, "failed", 2)]
    assert shown(session, Scope(account.id), "UTC", now) == from_runs(session, Scope(account.id), "UTC", now)


def test_a_year_of_runs_is_counted_day_by_day(session: Session, account: Account, now: datetime) -> None:
    """As after an upgrade: with runs, but nothing noted of them."""
    rule = make_rule(session, account)
    for days in (0, 1, 5, 200, 360):
        make_run(session, rule, now - timedelta(days=days))
    session.execute(delete(RunChange))
    assert run_days.bring_on(session, account.id, "UTC")
    assert session.scalars(select(RunDayState.since_day)).all() == [now.date()]
    assert sum(shown(session, Scope(account.id), "UTC", now).values()) == 3
    run_days.keep_sums(lambda: nullcontext(session))
    assert session.scalar(select(func.sum(RunDay.runs))) == 5
    assert session.scalars(select(RunDayState.since_day)).all() == [date.min]
    later = last_days(366, "UTC", now)
    of = run_sums.ended_runs(Scope(account.id), later, "UTC", datetime.now(UTC)).c
    assert session.scalar(select(func.sum(of.runs))) == 5


def test_sums_are_kept_while_runs_end_and_are_tried_again(
    session: Session, account: Account, now: datetime
) -> None:
    rule = make_rule(session, account)
    runs = [make_run(session, rule, now - timedelta(hours=number), Status.PENDING).id for number in range(60)]
    session.commit()
    sessions = sessionmaker(session.get_bind())
    ended, is_done = threading.Barrier(WRITERS + 1), threading.Event()

    def change(seed: int) -> None:
        chance = Random(seed)
        ended.wait()
        for _ in range(8):
            with sessions.begin() as own:
                for id in sorted(chance.sample(runs, 3)):
                    status, reason = chance.choice([*OUTCOMES, (Status.PENDING, None)])
                    own.execute(
                        update(ScheduledTask)
                        .where(ScheduledTask.id == id)
                        .values(status=status, reason=reason, finished_at=now, error_message="x")
                    )

    def keep() -> None:
        while not is_done.is_set():
            run_days.keep_sums(sessions.begin)

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        keeping = [pool.submit(keep) for _ in range(2)]
        changing = [pool.submit(change, seed) for seed in range(WRITERS)]
        ended.wait()
        wrong = []
        while not all(one.done() for one in changing):
            with sessions() as own:
                wrong += wrong_run_days(own, now)
        is_done.set()
        for one in (*changing, *keeping):
            one.result()
    run_days.keep_sums(sessions.begin)
    session.rollback()
    session.expire_all()
    assert wrong == [] == list(wrong_run_days(session, now))
    assert session.scalar(select(func.count()).select_from(RunChange)) == 0
    scope = Scope(account.id)
    assert shown(session, scope, "UTC", now) == from_runs(session, scope, "UTC", now)
