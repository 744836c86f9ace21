"""A year of one account's runs in any number, by a few statements: what the bench of pages and tests of plans read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, Index, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleActivation
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.history import credit_days, run_days
from app.business.billing.models import CreditEntry
from app.infrastructure import query_statistics
from app.infrastructure.run_triggers import create_run_triggers, drop_run_triggers
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_account, make_sector, make_site
from tests.people import People

DAYS = 365
LATELY, OF_LATELY = 28, 0.8
"""Days that have most of the runs, and the part of these: so few runs fill each day of the grid as well."""
SITES, EVENT_RULES, SCHEDULE_RULES = 4, 40, 7
OTHERS = 2
"""Accounts that have a fifth of the runs together."""
OF_SCHEDULES = 4
"""At most one run of so many was planned: of few runs only the latest were."""
MINUTES = 60
"""Between two starts of a schedule, whatever the number of runs, so that only the runs are more."""
WAITING, COMING, RUNNING = 10, 50, 3
CHARGED = "n.i % 10 = 3 AND n.i % 100 < 80"

LOOKS = """
CASE WHEN n.i * 7919 % 1000 < 800 THEN 'completed' WHEN n.i * 7919 % 1000 < 950 THEN 'skipped' ELSE 'failed' END
"""
REASONS = """
CASE WHEN n.i * 7919 % 1000 < 800 THEN NULL WHEN n.i * 7919 % 1000 < 920 THEN 'conditions'
WHEN n.i * 7919 % 1000 < 930 THEN 'shadow' WHEN n.i * 7919 % 1000 < 950 THEN 'overlap'
WHEN n.i * 7919 % 1000 < 980 THEN 'action_failed' WHEN n.i * 7919 % 1000 < 990 THEN 'provider_refused'
ELSE 'timed_out' END
"""
CAUSES = """
CASE WHEN n.i * 31 % 100 < 92 THEN 'event' WHEN n.i * 31 % 100 < 98 THEN 'manual'
WHEN n.i * 31 % 100 < 99 THEN 'api' ELSE 'backfill' END
"""
DONE = '{"summary": "3 keywords got the label brand.", "processed": 3, "errors": 0}'


@dataclass(frozen=True)
class Filled:
    """rare_rule: has one run, the oldest of all."""

    rule_id: int
    rare_rule_id: int
    site_id: int
    run_id: int
    user_id: int


def fill(session: Session, people: People, runs: int, now: datetime, days: int = DAYS) -> Filled:
    """Runs of the last days, newest and oldest alike, with their charges and their daily sums; committed.

    Four of five belong to the account of `people`. The tables must have no runs yet.
    """
    account = people.account
    sites = [make_site(session, account).id for _ in range(SITES)]
    rules = [
        make_rule(session, account, name=f"Mark brands {number}", now=now) for number in range(EVENT_RULES)
    ]
    rare = make_rule(session, account, name="Hardly ever", now=now)
    others = [_other(session, now) for _ in range(OTHERS)]
    planned = min(days * 24 * 60 // MINUTES, runs // OF_SCHEDULES // SCHEDULE_RULES)
    schedules = [_schedule(session, account, number, now) for number in range(SCHEDULE_RULES)]
    session.commit()
    with _unchecked(session.connection()):
        for number, rule in enumerate(schedules):
            _planned(session, rule, sites[number % SITES], planned, now)
        own = int(0.8 * runs) - planned * SCHEDULE_RULES
        by = people.operator.id
        _events(session, account.id, _spread(rules), by, sites, own, days, now)
        for other in others:
            _events(session, other.account_id, str(other.id), None, [], runs // (5 * OTHERS), days, now)
        _charge(session)
        _describe(session)
    oldest = make_run(session, rare, now - timedelta(days=days + 1), Status.FAILED, cause=Cause.API)
    _open_runs(session, rules, now)
    session.commit()
    _keep(session)
    filled = Filled(rules[0].id, rare.id, sites[0], oldest.id, people.operator.id)
    session.commit()
    return filled


def analyze(engine: Engine) -> None:
    """Fresh statistics, as the sweep keeps them, or PostgreSQL itself."""
    query_statistics.keep(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _other(session: Session, now: datetime) -> AutomationRule:
    account = make_account(session)
    make_sector(session, make_site(session, account))
    return make_rule(session, account, now=now)


def _schedule(session: Session, account: Account, number: int, now: datetime) -> AutomationRule:
    """On for a year already."""
    rule = make_rule(
        session,
        account,
        name=f"Report {number}",
        trigger="schedule",
        record_type="keyword",
        schedule={"cron": "0 * * * *", "timezone": "UTC"},
        actions=[{"type": "update_records", "params": {"labels_add": ["seen"]}}],
        now=now,
    )
    since = now - timedelta(days=DAYS)
    session.execute(update(RuleActivation).where(RuleActivation.rule_id == rule.id).values(from_at=since))
    return rule


def _planned(session: Session, rule: AutomationRule, site_id: int, count: int, now: datetime) -> None:
    """A run at each of the last due times."""
    last = now.replace(minute=0, second=0, microsecond=0)
    times = {
        "scheduled_at": last,
        "started_at": last + timedelta(milliseconds=400),
        "finished_at": last + timedelta(seconds=3),
    }
    _insert(session, count, {
        **_of(rule.account_id, str(rule.id), "'Report'"), "cause": "'schedule'", "site_id": str(site_id),
        **{name: _ago(session, at, 60 * MINUTES, "n.i - 1") for name, at in times.items()},
    })  # fmt: skip


def _events(
    session: Session,
    account_id: int,
    rule_id: str,
    user_id: int | None,
    sites: list[int],
    count: int,
    days: int,
    now: datetime,
) -> None:
    """Evenly over the last weeks, the rest over the days before."""
    ago, last = _age(count, days), now - timedelta(seconds=30)
    site = f"CASE WHEN n.i % 10 < 7 THEN {sites[0]} + n.i * 13 % {len(sites)} END" if sites else "NULL"
    _insert(session, count, {
        **_of(account_id, rule_id, "'Mark brands'"), "cause": CAUSES, "site_id": site,
        "user_id": f"CASE WHEN n.i * 31 % 100 BETWEEN 92 AND 97 THEN {user_id} END" if user_id else "NULL",
        "scheduled_at": _ago(session, last, 1, ago),
        "started_at": _ago(session, last + timedelta(milliseconds=200), 1, ago),
        "finished_at": _ago(session, last + timedelta(seconds=20), 1, f"{ago} - n.i % 10 * 10"),
    })  # fmt: skip


def _age(count: int, days: int) -> str:
    """Seconds."""
    late = int(count * OF_LATELY) if days > LATELY else count
    apart = min(days, LATELY) * 86400 / max(late, 1)
    apart_before = (days - LATELY) * 86400 / max(count - late, 1)
    return (
        f"(CASE WHEN n.i <= {late} THEN n.i * {apart!r} "
        f"ELSE {late * apart!r} + (n.i - {late}) * {apart_before!r} END)"
    )


def _of(account_id: int, rule_id: str, name: str) -> dict[str, str]:
    """What all ended runs have."""
    return {
        "account_id": str(account_id), "automation_rule_id": rule_id, "rule_name": name, "rule_version": "1",
        "status": LOOKS, "reason": REASONS, "queue": "'due'", "priority": "5", "attempt": "1", "rescues": "0",
        "auto_retries": "0", "from_step": "0", "depth": "0", "split_site_id": "0", "record_type": "'keyword'",
        "record_count": f"CASE WHEN {LOOKS} = 'completed' THEN 3 ELSE 0 END",
        "credits_used": f"CASE WHEN {CHARGED} THEN 1 + n.i % 40 ELSE 0 END",
        "result": f"CASE WHEN {LOOKS} = 'completed' THEN '{DONE}' ELSE '{{}}' END",
        "error_message": f"CASE WHEN {LOOKS} = 'completed' THEN '' ELSE 'The service refused it ' || n.i || '.' END",
    }  # fmt: skip


def _spread(rules: list[AutomationRule]) -> str:
    """The first has three of seven, so that its pages are full however few runs there are. The ids of rules follow one
    another."""
    assert [rule.id for rule in rules] == list(range(rules[0].id, rules[0].id + len(rules)))
    return f"{rules[0].id} + CASE WHEN n.i * 13 % 7 < 3 THEN 0 ELSE n.i * 37 % {len(rules)} END"


def _insert(session: Session, count: int, columns: dict[str, str]) -> None:
    """From the oldest to the newest, as runs come."""
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    )
    if session.get_bind().dialect.name == "postgresql":
        columns = columns | {"result": f"({columns['result']})::{_json_type(session)}"}
        numbers = f"SELECT * FROM generate_series(CAST(1 AS bigint), {count}) AS n(i)"
    turned = {name: value.replace("n.i", f"({count} + 1 - n.i)") for name, value in columns.items()}
    query = f"SELECT {', '.join(turned.values())} FROM ({numbers}) AS n"
    session.connection().exec_driver_sql(
        f"INSERT INTO scheduled_task ({', '.join(turned)}) {query}".replace("%", _percent(session))
    )


def _percent(session: Session) -> str:
    """As the driver wants it."""
    return "%%" if session.get_bind().dialect.name == "postgresql" else "%"


def _json_type(session: Session) -> str:
    return str(
        session.scalar(
            text(
                "SELECT data_type FROM information_schema.columns "
                "WHERE table_name = 'scheduled_task' AND column_name = 'result'"
            )
        )
    )


def _ago(session: Session, last: datetime, apart: float, number: str) -> str:
    """The instant so many times `apart` seconds before `last`."""
    utc = last.astimezone(UTC)
    if session.get_bind().dialect.name == "postgresql":
        return f"TIMESTAMPTZ '{utc.isoformat()}' - ({number}) * {apart!r} * INTERVAL '1 second'"
    return (
        f"strftime('%Y-%m-%d %H:%M:%f000', '{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03}', "
        f"(-({number}) * {apart!r}) || ' seconds')"
    )


def _charge(session: Session) -> None:
    """An entry for each run that used credits, in the order of time, as if each account had had enough at the start."""
    session.execute(
        text(
            "INSERT INTO credit_entry (account_id, kind, amount, balance_after, key, reason, run_id, site_id, "
            "created_at) SELECT account_id, 'charge', -credits_used, 0, 'r' || id, 'Work', id, site_id, finished_at "
            "FROM scheduled_task WHERE credits_used > 0 ORDER BY finished_at, id"
        )
    )


def _describe(session: Session) -> None:
    """What the page of a run reads besides its row."""
    empty = "'[]'" if session.get_bind().dialect.name == "sqlite" else f"CAST('[]' AS {_json_type(session)})"
    none = empty.replace("[]", "{}")
    session.execute(
        text(
            "INSERT INTO run_detail (account_id, run_id, chain, options, gates, error_detail) "
            f"SELECT account_id, id, {empty}, {none}, {empty}, '' FROM scheduled_task WHERE finished_at IS NOT NULL"
        )
    )
    session.execute(
        text(
            "INSERT INTO run_attempt (account_id, run_id, number, worker, started_at, finished_at, status, reason, "
            "error_message, credits_used) SELECT account_id, id, 1, 'worker', started_at, finished_at, status, reason, "
            "error_message, credits_used FROM scheduled_task WHERE finished_at IS NOT NULL"
        )
    )


def _open_runs(session: Session, rules: list[AutomationRule], now: datetime) -> None:
    for number in range(RUNNING):
        make_run(session, rules[number], now, Status.RUNNING, cause=Cause.MANUAL, finished_at=None)
    for number in range(WAITING):
        waits = {"waiting_for": "pause", "waiting_since": now - timedelta(minutes=number)}
        make_run(session, rules[number], now - timedelta(minutes=number), Status.PENDING, **waits)
    for number in range(COMING):
        make_run(session, rules[number % EVENT_RULES], now + timedelta(hours=1 + number), Status.PENDING)


def _keep(session: Session) -> None:
    """The daily sums, as after an upgrade."""

    @contextmanager
    def transaction() -> Iterator[Session]:
        yield session
        session.commit()

    for _ in range(DAYS):
        run_days.keep_sums(transaction)
        if not any(run_days.accounts_behind(session)):
            break
    while credit_days.accounts_behind(session):
        credit_days.keep_sums(transaction)


def in_order(indexes: Iterable[Index]) -> list[Index]:
    """As an installation has made them: without statistics SQLite chooses by it among those that seem alike."""
    names = (
        "of_rule", "cause", "site", "user", "status", "charged", "charged_status", "rule_cause", "site_cause",
        "used_credits", "promised",
    )  # fmt: skip
    latest = [f"ix_scheduled_task_{name}" for name in names]

    def place(index: Index) -> tuple[int, str]:
        name = str(index.name)
        return latest.index(name) + 1 if name in latest else 0, name

    return sorted(indexes, key=place)


@contextmanager
def _unchecked(connection: Connection) -> Iterator[None]:
    """Indexes are built in one go, and sums are counted afterwards; PostgreSQL does not look foreign keys up row by
    row."""
    drop_run_triggers(connection)
    indexes = [*in_order(ScheduledTask.__table__.indexes), *in_order(CreditEntry.__table__.indexes)]
    for index in indexes:
        index.drop(connection)
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    yield
    for index in indexes:
        index.create(connection)
    if is_postgresql:
        connection.execute(text("SET LOCAL session_replication_role = origin"))
    create_run_triggers(connection)
