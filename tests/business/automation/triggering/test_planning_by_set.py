"""Planning by set is only a faster way to what planning rule by rule writes, whatever state the rules are in."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.runs import planned_runs
from app.business.automation.services.triggering import activations, planning
from app.business.automation.services.triggering.planning_pace import PlanningPace
from app.business.upsert import MANY
from tests.business.automation.machine import Machine
from tests.business.automation.run_rows import make_rule
from tests.factories import NOW, make_account, make_site
from tests.sampling import times

CRONS = ("*/5 * * * *", "7,52 * * * *", "30 1-4 * * *", "0 9 * * 1-5", "15 2 29 * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
IDEAS = {"type": "generate_ideas", "params": {"count": 3}}
Collected = tuple[list[Any], dict[int, datetime | None]]


def schedule_rule(session: Session, account: Account, **values: Any) -> AutomationRule:
    common = {"trigger": "schedule", "record_type": None, "actions": [NOTIFY]}
    return make_rule(session, account, **common | values)


def random_rules(session: Session, rng: random.Random, count: int) -> None:
    """Of three accounts: in every zone, some split over sites, some that nobody can read any more."""
    accounts = [make_account(session, timezone=rng.choice(ZONES)) for _ in range(3)]
    for account in accounts:
        for _ in range(rng.randrange(3)):
            make_site(session, account, timezone=rng.choice([None, *ZONES]))
    for _ in range(count):
        schedule = {"cron": rng.choice(CRONS), "timezone": rng.choice(ZONES)}
        rule = schedule_rule(
            session,
            rng.choice(accounts),
            schedule=schedule,
            split_by=rng.choice(["none", "none", "site"]),
            catch_up=rng.choice(["latest", "all", "none"]),
            catch_up_hours=rng.randrange(1, 24),
            priority=rng.randrange(1, 10),
        )
        ends = {"ends_at": (NOW + timedelta(hours=rng.randrange(72))).isoformat()}
        changes: list[dict[str, Any]] = [
            {"schedule": schedule | ends},
            {"schedule": {"cron": "61 * * * *"}},
            {"schedule": []},
            {"actions": [{"type": "unknown"}]},
        ]
        if rng.random() < 0.3:
            changed = update(AutomationRule).where(AutomationRule.id == rule.id)
            session.execute(changed.values(**rng.choice(changes)))
    session.commit()


def write_some_ahead(session: Session, rng: random.Random, now: datetime) -> None:
    """What a cancelled run, or one begun ahead of its time, leaves behind."""
    planned = AutomationRule.unplanned_from.is_not(None)
    rules = [
        rule for rule in session.scalars(select(AutomationRule).where(planned)) if rule.actions == [NOTIFY]
    ]
    for rule in rng.sample(list(rules), len(rules) // 4):
        assert rule.unplanned_from
        opening = planned_runs.Opening("schedule", rule.unplanned_from)  # type: ignore[arg-type]
        planned_runs.open_planned(session, [planned_runs.PlannedRun(rule, opening)], now)
    session.commit()


def rows(session: Session) -> Collected:
    """All that planning writes but the ids of rows."""
    run = ScheduledTask
    said = [
        column
        for column in run.__table__.c
        if column.name not in ("id", "result", "budget", "account_id", "created_at")
    ]
    query = select(*said, RunDetail.options, RunDetail.chain, RunDetail.records)
    runs = session.execute(query.join(RunDetail, RunDetail.run_id == run.id)).all()
    firsts = session.execute(select(AutomationRule.id, AutomationRule.unplanned_from))
    return sorted(map(repr, runs)), dict(iter(firsts))


@contextmanager
def undone(session: Session) -> Iterator[Callable[[], Any]]:
    """Transactions whose work is seen by those after them, and undone in the end."""
    outer = session.begin_nested()

    @contextmanager
    def transaction() -> Iterator[Session]:
        with session.begin_nested():
            yield session

    yield transaction
    outer.rollback()
    session.expire_all()


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Callable[..., planning.Planned]:
    """Each rule in a transaction of its own."""

    def plan(transaction: Any, now: datetime) -> planning.Planned:
        with monkeypatch.context() as patched:
            patched.setattr(
                planning,
                "_by_set",
                lambda *given: planning._one_by_one(given[0], given[1], planning._plan_one, given[2]),
            )
            return planning.plan(transaction, now)

    return plan


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", range(times(full=20, sample=1)))
def test_a_set_writes_what_its_rules_write_one_by_one(
    machine: Machine, session: Session, seed: int, one_by_one: Callable[..., planning.Planned]
) -> None:
    rng = random.Random(seed)
    random_rules(session, rng, 24)
    for minutes in (0, 5, 11, 90, 40 * 60, 15):
        machine.pass_time(minutes=minutes)
        write_some_ahead(session, rng, machine.now)
        with undone(session) as transaction:
            alone = (one_by_one(transaction, machine.now), rows(session))
        planned = planning.plan(machine.transaction, machine.now)
        assert sorted(planned.failed) == sorted(alone[0].failed)
        assert (planned.rules, rows(session)) == (alone[0].rules, alone[1])
    assert planned.failed
    assert {run.status for run in machine.runs()} == {Status.PENDING, Status.SKIPPED}


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield sent
    event.remove(session.get_bind(), "before_cursor_execute", note)


@pytest.mark.both_databases
@pytest.mark.parametrize("hours", [0, 3])
def test_the_statements_of_a_set_do_not_grow_with_its_rules(
    machine: Machine,
    session: Session,
    account: Account,
    statements: list[str],
    hours: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "PlanningPace", lambda: PlanningPace(rows=500))
    sent = []
    # So many that they are written one after the other on SQLite.
    for rules in (MANY, 30):
        for _ in range(rules):
            schedule_rule(session, account, schedule={"cron": "0 * * * *"}, catch_up="none")
        session.commit()
        machine.now = NOW.replace(day=24 + len(sent)) + timedelta(hours=hours, minutes=50)
        session.execute(update(AutomationRule).values(unplanned_from=machine.now - timedelta(hours=hours)))
        session.commit()
        statements.clear()
        planning.plan(machine.transaction, machine.now)
        sent.append(len(statements))
    assert sent[0] == sent[1] <= 12, "\n".join(s[:90] for s in statements)


def test_a_row_that_the_database_refuses_harms_its_rule_alone(
    machine: Machine, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [schedule_rule(session, account, schedule={"cron": "0 * * * *"}) for _ in range(4)]
    session.commit()
    insert_many_new = planned_runs.insert_many_new

    def refuse(session: Session, model: Any, given: Any, *returning: Any, **options: Any) -> Any:
        if any(row["automation_rule_id"] == rules[1].id for row in given):
            session.execute(insert(ScheduledTask).values(rule_name="No other column."))
        return insert_many_new(session, model, given, *returning, **options)

    monkeypatch.setattr(planned_runs, "insert_many_new", refuse)
    machine.pass_time(hours=2, minutes=50)
    planned = planning.plan(machine.transaction, machine.now)
    assert (planned.rules, [rule_id for rule_id, _ in planned.failed]) == (3, [rules[1].id])
    others = {rule.id for rule in rules} - {rules[1].id}
    assert {run.automation_rule_id for run in machine.runs()} == others
    monkeypatch.undo()
    assert planning.plan(machine.transaction, machine.now).failed == ()
    machine.settle()
    assert (machine.breaches(), unaccounted(session, account.id, machine.now)) == ([], 0)


def test_a_planner_killed_between_two_sets_leaves_no_time_out_and_none_twice(
    machine: Machine, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "PlanningPace", lambda: PlanningPace(rows=2, aim=0))
    monkeypatch.setattr(PlanningPace, "FEWEST", 2)
    for _ in range(7):
        schedule_rule(session, account, schedule={"cron": "*/10 * * * *"}, catch_up="all")
    session.commit()
    for killed_at in (2, 3, 4, 5):
        machine.pass_time(minutes=25)
        begun = 0

        @contextmanager
        def transaction(killed_at: int = killed_at) -> Iterator[Session]:
            nonlocal begun
            begun += 1
            with machine.transaction() as session:
                yield session
                if begun == killed_at:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            planning.plan(transaction, machine.now)
    assert planning.plan(machine.transaction, machine.now).failed == ()
    # The first 17 minutes by the saves, and each ten minutes since.
    assert len({(run.automation_rule_id, run.scheduled_at) for run in machine.runs()}) == len(machine.runs())
    assert len(machine.runs()) == 7 * 11
    assert [line for line in machine.breaches() if not line.startswith("pending_in_time")] == []


def test_a_set_of_many_rows_is_written_in_several_transactions(
    machine: Machine, session: Session, account: Account
) -> None:
    for _ in range(4):
        schedule_rule(session, account, schedule={"cron": "*/5 * * * *"}, catch_up="all")
    session.commit()
    machine.pass_time(hours=4)
    pace = PlanningPace(rows=60)
    ids = session.scalars(select(AutomationRule.id)).all()
    planned = planning.plan_set(session, ids, machine.now, pace)
    assert 60 <= len(planned.runs) <= 120
    assert len(planned.left) == 2
    session.commit()
    left = session.scalars(select(AutomationRule.id).where(AutomationRule.unplanned_from < machine.now)).all()
    assert sorted(left) == sorted(planned.left)


@pytest.mark.parametrize(("held", "then"), [(0.5, 100), (0.1, 150), (0.05, 300), (0.001, 500)])
def test_the_pace_follows_how_long_the_lock_was_held(held: float, then: int) -> None:
    times = iter([0.0, 1.0, 1.0 + held])
    pace = PlanningPace(timer=lambda: next(times), rows=300)
    pace.start()
    pace.finish(300)
    assert pace.rows == pytest.approx(then, abs=1)


def plan_of(session: Session, query: Any) -> str:
    written = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    lines = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {written}")
    return "\n".join(str(row[-1]) for row in lines)


@pytest.mark.both_databases
def test_planning_reads_by_its_indexes_before_anything_is_known_of_the_tables(session: Session) -> None:
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole")
    run = ScheduledTask
    keys = planned_runs.planned_runs(run.split_site_id, run.scheduled_at)
    keys = keys.where(run.automation_rule_id.in_([1, 2]), run.scheduled_at >= NOW, run.scheduled_at <= NOW)
    assert "uq_scheduled_task_due (automation_rule_id=? AND scheduled_at>?" in plan_of(session, keys)
    assert "ix_automation_rule_split" in plan_of(session, activations._split_rules())
