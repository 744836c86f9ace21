"""Accounts take turns: nobody waits until all runs of another account have been executed."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Select, insert, inspect, literal, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.runs import reservations
from app.business.automation.services.runs.opening import DUE_QUEUE, EVENTS_QUEUE, LONG_QUEUE, MANUAL_QUEUE
from app.business.automation.services.runs.reservations import (
    Turns,
    due_accounts,
    in_turn,
    reserve,
    shares_of,
)
from app.infrastructure.messaging import automation_tasks
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import NOW, make_account, make_plan


@pytest.fixture
def crowded(session: Session) -> Account:
    return with_runs(session, "Crowded", 3, EVENTS_QUEUE)


@pytest.fixture
def small(session: Session) -> Account:
    return make_account(session, name="Small")


def with_runs(session: Session, name: str, runs: int, queue: str, at: datetime = NOW) -> Account:
    account = make_account(session, name=name)
    add_runs(session, account, runs, queue, at)
    return account


def add_runs(
    session: Session, account: Account, runs: int, queue: str, at: datetime = NOW, priority: int = 5
) -> list[int]:
    rule = make_rule(session, account)
    how = {"cause": Cause.MANUAL, "queue": queue, "priority": priority}
    return [make_run(session, rule, at, Status.PENDING, **how).id for _ in range(runs)]


def accounts_of(session: Session, run_ids: list[int]) -> list[str]:
    query = select(ScheduledTask.id, Account.name).join(Account, Account.id == ScheduledTask.account_id)
    names = dict(session.execute(query.where(ScheduledTask.id.in_(run_ids))).all())
    return [names[run_id] for run_id in run_ids]


@pytest.mark.both_databases
def test_a_single_run_is_among_the_next_ones_however_many_another_account_has(
    session: Session, crowded: Account, small: Account
) -> None:
    add_runs(session, crowded, 30, EVENTS_QUEUE, NOW - timedelta(hours=1))
    (single,) = add_runs(session, small, 1, EVENTS_QUEUE)
    chosen = list(reserve(session, EVENTS_QUEUE, 10, NOW).rules)
    assert single in chosen
    assert Counter(accounts_of(session, chosen)) == {"Crowded": 5, "Small": 1}
    assert single not in session.scalars(reservations.ready(EVENTS_QUEUE, NOW).limit(30)).all()


def test_within_an_account_priority_decides_and_then_age(
    session: Session, crowded: Account, small: Account
) -> None:
    (young,) = add_runs(session, small, 1, EVENTS_QUEUE, NOW)
    (old,) = add_runs(session, small, 1, EVENTS_QUEUE, NOW - timedelta(minutes=5))
    (urgent,) = add_runs(session, small, 1, EVENTS_QUEUE, NOW, priority=1)
    chosen = in_turn(session, EVENTS_QUEUE, 20, NOW)
    assert [run_id for run_id in chosen if run_id in (young, old, urgent)] == [urgent, old, young]


def test_of_many_accounts_each_has_its_turn_before_any_has_two(session: Session) -> None:
    for number in range(4):
        with_runs(session, f"Account {number}", 6, EVENTS_QUEUE)
    turns, firsts = Turns(), list[str]()
    for _ in range(8):
        chosen = in_turn(session, EVENTS_QUEUE, 5, NOW, turns=turns)
        (name,) = set(accounts_of(session, chosen))
        firsts.append(name)
    assert len({*firsts[:4]}) == 4
    assert firsts[:4] == firsts[4:]


def test_workers_that_have_just_begun_begin_with_different_accounts(session: Session) -> None:
    for number in range(4):
        with_runs(session, f"Account {number}", 6, EVENTS_QUEUE)
    firsts = set()
    for turn in range(4):
        now = NOW + timedelta(seconds=turn / reservations.TURNS_PER_SECOND)
        firsts |= set(accounts_of(session, in_turn(session, EVENTS_QUEUE, 5, now)))
    assert len(firsts) == 4


def test_shares_follow_the_plan_and_leave_nobody_out(session: Session) -> None:
    starter, large = (
        make_plan(session, code, most_runs_per_day=runs) for code, runs in (("a", 1_000), ("b", 3_000))
    )
    for name, plan in (("Small", starter), ("Large", large)):
        account = make_account(session, name=name, plan=plan)
        add_runs(session, account, 90, EVENTS_QUEUE)
    chosen = in_turn(session, EVENTS_QUEUE, 100, NOW)
    assert Counter(accounts_of(session, chosen)) == {"Small": 27, "Large": 72}
    assert shares_of({1: 0, 2: 0}, 10) == {1: 5, 2: 5}
    assert shares_of({1: 0, 2: 1_000_000}, 100) == {1: 5, 2: 95}


def test_an_account_without_a_plan_has_turns_too(session: Session, crowded: Account) -> None:
    account = with_runs(session, "Without", 2, EVENTS_QUEUE)
    account.plan_id = None
    chosen = in_turn(session, EVENTS_QUEUE, 20, NOW)
    assert Counter(accounts_of(session, chosen)) == {"Crowded": 3, "Without": 2}


@pytest.mark.parametrize("others", [1, 3, 45])
def test_a_single_run_waits_for_one_round_of_turns_at_most(
    session: Session, small: Account, others: int
) -> None:
    """A turn of a hundred runs takes a tenth of a second: with 400 busy accounts this is two seconds."""
    for number in range(others):
        with_runs(session, f"Busy {number}", 12, EVENTS_QUEUE, NOW - timedelta(hours=1))
    (single,) = add_runs(session, small, 1, EVENTS_QUEUE)
    turns, most = Turns(), 50
    at_once = most // reservations.LEAST_SHARE
    for turn in range(-(-(others + 1) // at_once)):
        if single in in_turn(session, EVENTS_QUEUE, most, NOW, turns=turns):
            return
        assert turn < (others + 1) // at_once
    pytest.fail("Its turn did not come in a whole round.")


def test_an_account_with_nothing_due_takes_no_turn(
    session: Session, crowded: Account, small: Account
) -> None:
    add_runs(session, small, 1, EVENTS_QUEUE, NOW + timedelta(minutes=5))
    with_runs(session, "Elsewhere", 1, LONG_QUEUE)
    assert due_accounts(session, EVENTS_QUEUE, NOW) == [crowded.id]
    assert len(in_turn(session, EVENTS_QUEUE, 20, NOW)) == 3


def test_who_has_nothing_due_in_a_crowded_queue_is_let_in_behind_it(
    session: Session, small: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    crowded = with_runs(session, "Crowded", 4, DUE_QUEUE, now)
    own = add_runs(session, crowded, 1, MANUAL_QUEUE, now)
    alone = add_runs(session, small, 1, MANUAL_QUEUE, now)
    session.commit()
    monkeypatch.setattr(automation_tasks, "MOST_RUNS", 2)
    for name in ("MOST_SECONDS", "OTHERS_SECONDS"):
        monkeypatch.setattr(automation_tasks, name, 60)
    automation_tasks.drain(DUE_QUEUE)
    states = dict(session.execute(select(ScheduledTask.id, ScheduledTask.status)).all())
    left = [run_id for run_id, status in states.items() if status == Status.PENDING]
    assert (alone[0] in left, own[0] in left, len(left)) == (False, True, 3)


@pytest.mark.both_databases
def test_turns_are_found_without_reading_all_due_runs(session: Session, crowded: Account) -> None:
    for number in range(3):
        with_runs(session, f"Account {number}", 1, EVENTS_QUEUE)
    pending = {"status": Status.PENDING}
    columns = [column for column in inspect(ScheduledTask).columns if column.key != "id"]
    values = [literal(pending[column.key]) if column.key in pending else column for column in columns]
    for _ in range(9):
        session.execute(insert(ScheduledTask).from_select(columns, select(*values)))
    session.execute(text("ANALYZE"))
    moment = reservations._of_moment(EVENTS_QUEUE, NOW)
    first = reservations._first_of(0).params(account_0=crowded.id, share_0=5, **moment)
    assert "ix_scheduled_task_in_turn" in plan_of(session, first)
    assert "TEMP B-TREE" not in plan_of(session, first)
    assert "Sort" not in plan_of(session, first)
    assert "SCAN scheduled_task" not in plan_of(session, reservations._DUE_ACCOUNTS.params(**moment))


def plan_of(session: Session, query: Select[int]) -> str:
    explain = "EXPLAIN QUERY PLAN" if session.get_bind().dialect.name == "sqlite" else "EXPLAIN"
    written = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    return str(session.execute(text(f"{explain} {written}")).all())
