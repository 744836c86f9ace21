"""What must hold after every step of the simulation, and what every row must have led to at its end."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleActivation, RuleVersion
from app.business.automation.run_models import CLOSED, Cause, ScheduledTask, Status
from app.business.automation.services.auditing import invariants
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.schedules.calendar import due_instants
from app.business.automation.services.triggering.activations import site_schedules
from app.business.billing.models import CreditEntry
from app.business.planner.models import Idea
from app.business.writer.models import Content, Task

AT_ALL_TIMES = {name: query for name, (_, query) in invariants.QUERIES.items() if ":" not in query} | {
    "used slots within the limit": "SELECT d.rule_id, d.used FROM rule_day d JOIN automation_rule r "
    "ON r.id = d.rule_id WHERE d.used > r.max_executions_per_day",
    "one event run of a rule at a time": "SELECT automation_rule_id FROM scheduled_task WHERE status = 'running' "
    "AND cause IN ('event', 'backfill') GROUP BY automation_rule_id HAVING COUNT(*) > 1",
    "an ended run claims no record": "SELECT c.id FROM rule_record c JOIN scheduled_task t ON t.id = c.run_id "
    "WHERE c.state = 'claimed' AND t.status IN ('completed', 'failed', 'skipped')",
    "an ended run waits for nothing": "SELECT id FROM scheduled_task WHERE status IN ('completed', 'failed', "
    "'skipped') AND (waiting_for IS NOT NULL OR lease_token IS NOT NULL)",
    "a run spends within its limit": "SELECT t.id FROM scheduled_task t JOIN automation_rule r "
    "ON r.id = t.automation_rule_id WHERE t.credits_used > r.credit_limit_per_execution",
    "budgets count what is set aside": "SELECT a.id FROM account a WHERE a.credits_held <> COALESCE((SELECT "
    "SUM(c.held) FROM spend_counter c WHERE c.account_id = a.id AND c.scope = 'account'), 0)",
    "legal moves of a run": "SELECT run_id, was, became FROM moved WHERE was || '-' || became NOT IN ("
    "'pending-running', 'pending-completed', 'pending-skipped', 'running-pending', 'running-completed', "
    "'running-failed', 'running-skipped', 'failed-pending', 'new-pending', 'new-completed', 'new-skipped', "
    "'new-failed')",
}
"""Queries that must return no row, whatever was killed or hangs at that moment."""

AT_THE_END = {
    "nothing runs": "SELECT id FROM scheduled_task WHERE status = 'running'",
    "nothing is set aside": "SELECT id FROM account WHERE credits_held <> 0",
    "no batch is open": "SELECT id FROM event_batch WHERE closed_at IS NULL",
    "every hand-over is done": "SELECT id FROM batch_delivery WHERE state <> 'done'",
    "deliveries have their runs": "SELECT d.batch_id, d.rule_id FROM batch_delivery d WHERE d.runs <> (SELECT "
    "COUNT(*) FROM scheduled_task t WHERE t.batch_id = d.batch_id AND t.automation_rule_id = d.rule_id "
    "AND t.part > 0)",
    "records that do not match are counted": "SELECT d.batch_id, d.rule_id FROM batch_delivery d WHERE d.unmatched "
    "<> COALESCE((SELECT SUM(t.count) FROM scheduled_task t WHERE t.batch_id = d.batch_id "
    "AND t.automation_rule_id = d.rule_id AND t.part = 0), 0)",
    "rules that never changed got every event": "SELECT b.id, r.id FROM event_batch b JOIN automation_rule r "
    "ON r.account_id = b.account_id AND r.trigger = b.type WHERE r.version = 1 AND r.is_active "
    "AND r.created_at <= b.created_at AND b.type NOT IN ('status_changed', 'run_finished') AND NOT EXISTS ("
    "SELECT 1 FROM batch_delivery d WHERE d.batch_id = b.id AND d.rule_id = r.id)",
    "the budgets counted every charge": "SELECT a.id FROM account a WHERE COALESCE((SELECT SUM(c.spent) FROM "
    "spend_counter c WHERE c.account_id = a.id AND c.scope = 'account'), 0) <> COALESCE((SELECT -SUM(e.amount) "
    "FROM credit_entry e WHERE e.account_id = a.id AND e.kind = 'charge'), 0)",
}

WATCH = {
    "sqlite": (
        "CREATE TRIGGER watch_moves AFTER UPDATE OF status ON scheduled_task WHEN old.status <> new.status "
        "BEGIN INSERT INTO moved VALUES (new.id, old.status, new.status); END",
        "CREATE TRIGGER watch_births AFTER INSERT ON scheduled_task "
        "BEGIN INSERT INTO moved VALUES (new.id, 'new', new.status); END",
    ),
    "postgresql": (
        "CREATE FUNCTION watch_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'INSERT' THEN INSERT INTO moved VALUES (new.id, 'new', new.status); "
        "ELSIF old.status <> new.status THEN INSERT INTO moved VALUES (new.id, old.status, new.status); END IF; "
        "RETURN NULL; END $$",
        "CREATE TRIGGER watch_moves AFTER INSERT OR UPDATE ON scheduled_task FOR EACH ROW "
        "EXECUTE FUNCTION watch_moves()",
    ),
}


def watch(engine: Engine) -> None:
    """Let the database itself record every change of a run's status."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE moved (run_id BIGINT, was TEXT, became TEXT)"))
        for statement in WATCH[engine.dialect.name]:
            connection.exec_driver_sql(statement)


class Watcher:
    """Reads the database after each step, and remembers what may never change again."""

    def __init__(self) -> None:
        self.ended: dict[int, tuple[Any, ...]] = {}

    def broken_now(self, session: Session) -> list[str]:
        """Names and rows of what does not hold."""
        return _broken(session, AT_ALL_TIMES) + self._rewritten(session)

    def _rewritten(self, session: Session) -> list[str]:
        run = ScheduledTask
        query = select(
            run.id, run.status, run.attempt, run.reason, run.finished_at, run.credits_used, run.result
        )
        ended = {row.id: tuple(row) for row in session.execute(query.where(run.finished_at.is_not(None)))}
        broken = [
            f"history was rewritten: {before} is now {ended.get(run_id)}"
            for run_id, before in self.ended.items()
            if ended.get(run_id) != before and before[1] != Status.FAILED
        ]
        broken += [
            f"a failed attempt was rewritten: {before} is now {ended[run_id]}"
            for run_id, before in self.ended.items()
            if run_id in ended and ended[run_id] != before and ended[run_id][2] == before[2]
        ]
        self.ended |= ended
        return broken


def broken_at_the_end(session: Session, now: datetime, answered: set[str], retries: int) -> list[str]:
    """Everything has settled: no run, credit, event or planned time is left without its outcome."""
    found = [f"{breach.name}: {breach.rows}" for breach in invariants.audit(session, now)]
    found += _broken(session, AT_THE_END) + _over_the_limit(session) + _made_twice(session)
    found += _unsettled(session, now) + _never_due(session, now)
    charged = set(session.scalars(select(CreditEntry.key).where(CreditEntry.kind == "charge")))
    found += [f"charged without an answer of the provider: {key}" for key in sorted(charged - answered)]
    again = session.scalar(text("SELECT COUNT(*) FROM moved WHERE was = 'failed'")) or 0
    return found + (
        [f"{again} failed runs were set going again by {retries} retries"] if again > retries else []
    )


def wrong_lines(session: Session, lines: list[Any]) -> list[str]:
    """Each real end of a run is one line of the log, and each line a real end."""
    ends = [end for line in lines if line["event"] == "run_ended" for end in line["each"]]
    said = Counter((end["run"], end["status"]) for end in ends)
    moves = session.execute(text("SELECT run_id, became FROM moved")).all()
    ended = Counter((run_id, status) for run_id, status in moves if status in CLOSED)
    return [f"ends without a line: {ended - said}, lines without an end: {said - ended}"] * (said != ended)


def _broken(session: Session, queries: dict[str, str]) -> list[str]:
    """Ask everything in one statement; only what is broken is asked again, for its rows."""
    asked = [f"SELECT '{name}' WHERE EXISTS ({query})" for name, query in queries.items()]
    names = session.scalars(text(" UNION ALL ".join(asked))).all()
    return [f"{name}: {session.execute(text(queries[name])).all()[:5]}" for name in names]


def _over_the_limit(session: Session) -> list[str]:
    """Runs admitted on each local day, counted from the runs alone."""
    run = ScheduledTask
    days: Counter[tuple[Any, ...]] = Counter()
    rule = AutomationRule
    query = (
        select(
            run.automation_rule_id,
            run.split_site_id,
            run.admitted_at,
            rule.max_executions_per_day,
            Account.timezone,
        )
        .join(rule, rule.id == run.automation_rule_id)
        .join(Account, Account.id == run.account_id)
    )
    for rule_id, site_id, admitted_at, limit, zone in session.execute(query):
        if admitted_at is not None:
            days[rule_id, site_id, admitted_at.astimezone(ZoneInfo(zone)).date(), limit] += 1
    return [f"{count} runs on one day: {day}" for day, count in days.items() if count > day[-1]]


def _made_twice(session: Session) -> list[str]:
    made: Counter[tuple[str, str]] = Counter()
    for model in (Idea, Task, Content):
        for key in session.scalars(select(model.made_key)):
            if key is not None:
                made[model.__name__, key.rpartition("-")[0]] += 1
    return [
        f"made more than once: {unit}"
        for unit, count in made.items()
        if count > (3 if unit[0] == "Idea" else 1)
    ]


def _unsettled(session: Session, now: datetime) -> list[str]:
    query = select(ScheduledTask).where(
        ScheduledTask.status == Status.PENDING, ScheduledTask.scheduled_at < now - timedelta(minutes=2)
    )
    return [
        f"run {run.id} ({run.cause}) is still pending, waits for {run.waiting_for}, not before {run.not_before}"
        for run in session.scalars(query)
    ]


def _never_due(session: Session, now: datetime) -> list[str]:
    """Planned rows at times that no version of the schedule in force named."""
    due: set[tuple[int, int, datetime]] = set()
    version = (RuleVersion.rule_id == RuleActivation.rule_id) & (
        RuleVersion.version == RuleActivation.version
    )
    for span, rule in session.execute(
        select(RuleActivation, RuleVersion.definition).join(RuleVersion, version)
    ):
        for site_id, schedule in site_schedules(definition_from(rule), span.zones).items():
            instants = due_instants(schedule, span.from_at, min(span.to_at or now, now))
            due.update((span.rule_id, site_id, at) for at in instants)
    run = ScheduledTask
    planned = session.execute(
        select(run.automation_rule_id, run.split_site_id, run.scheduled_at).where(
            run.cause == Cause.SCHEDULE, run.follows_id.is_(None), run.scheduled_at <= now
        )
    )
    return [f"never due: {row}" for row in planned if tuple(row) not in due]
