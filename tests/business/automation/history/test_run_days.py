"""Numbers of ended runs by day: at every moment those of the runs, however they came to be and changed."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.auditing.total_queries import wrong_run_days
from app.business.automation.services.history import dashboard, figures, run_days, run_sums
from app.business.automation.services.runs.opening import Opening, run_values
from app.business.automation.total_models import (
    KEYS,
    RuleRunDay,
    RunChange,
    RunDay,
    RunDayState,
    RunPaceDay,
    RunSum,
)
from app.business.periods import last_days
from app.business.row_sets import insert_each
from tests.business.automation.history.run_day_world import OUTCOMES, ZONES, World, compare, from_runs, shown
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account
from tests.query_plans import selected
from tests.sampling import times

pytestmark = pytest.mark.both_databases

WRITERS = 8


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
