"""Triggers that note each run that ends, ends differently or is no ended run any more, for the daily sums of runs."""

from collections.abc import Mapping

from sqlalchemy import Connection, inspect, text

from app.business.automation.total_models import NO_PACE, PACES

TABLE = "run_change"
CLOSED = "('completed', 'failed', 'skipped')"
COUNTED = ("account_id", "site_id", "status", "reason", "scheduled_at")
STARTS = ("automation_rule_id", "cause", "attempt", "follows_id", "waiting_since", "moved_to_at")
BY_PACE = (*STARTS, "started_at", "finished_at")
PLANNED = (
    "{row}.cause = 'schedule' AND {row}.status = 'completed' AND {row}.attempt = 1 AND {row}.follows_id IS NULL "
    "AND {row}.waiting_since IS NULL AND {row}.started_at IS NOT NULL"
)
WORKED = "{row}.status IN ('completed', 'failed') AND {row}.started_at IS NOT NULL AND {row}.finished_at IS NOT NULL"
NAMES = ("scheduled_task_counted", "scheduled_task_recounted", "scheduled_task_uncounted")


def create_run_triggers(connection: Connection) -> None:
    """(Re)create them."""
    drop_run_triggers(connection)
    has_paces = "late" in {column["name"] for column in inspect(connection).get_columns(TABLE)}
    build = _postgresql if connection.dialect.name == "postgresql" else _sqlite
    # Older revisions have no columns for these.
    for statement in build(has_paces):
        connection.execute(text(statement))


def drop_run_triggers(connection: Connection) -> None:
    """Only a downgrade that drops the table needs it."""
    postgresql = connection.dialect.name == "postgresql"
    for name in NAMES:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{' ON scheduled_task' if postgresql else ''}"))
    if postgresql:
        connection.execute(text("DROP FUNCTION IF EXISTS note_run_change, note_new_runs"))


def _events(has_paces: bool) -> tuple[tuple[str, str, str], ...]:
    """Name, event and condition of each trigger."""
    counted = (*COUNTED, *BY_PACE) if has_paces else COUNTED
    differs = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in counted)
    either = f"(OLD.status IN {CLOSED} OR NEW.status IN {CLOSED})"
    events = (
        ("INSERT", f"NEW.status IN {CLOSED}"),
        (f"UPDATE OF {', '.join(counted)}", f"{either} AND ({differs})"),
        ("DELETE", f"OLD.status IN {CLOSED}"),
    )
    return tuple((name, *event) for name, event in zip(NAMES, events, strict=True))


def _key(row: str, seconds: str | None) -> dict[str, str]:
    """By what changes are told apart, of the row as it was (OLD) or is (NEW). seconds: from {start} to {end}."""
    values = {
        "account_id": f"{row}.account_id",
        "scheduled_at": f"{row}.scheduled_at",
        "site_id": f"COALESCE({row}.site_id, 0)",
        "status": f"{row}.status",
        "reason": f"COALESCE({row}.reason, '')",
    }
    if seconds:
        begins_at = f"COALESCE({row}.moved_to_at, {row}.scheduled_at)"
        late = seconds.format(start=begins_at, end=f"{row}.started_at")
        took = seconds.format(start=f"{row}.started_at", end=f"{row}.finished_at")
        paces = {"late": _class_of(late, PLANNED, row), "took": _class_of(took, WORKED, row)}
        values |= {"rule_id": f"{row}.automation_rule_id", **paces}
    return values


def _noting(key: Mapping[str, str], runs: str, condition: str) -> str:
    values = f"{', '.join(key.values())}, {runs}"
    return f"INSERT INTO {TABLE} ({', '.join(key)}, runs) SELECT {values} {condition};"


def _class_of(seconds: str, is_known: str, row: str) -> str:
    """As `run_sums` counts runs one by one."""
    classes = " ".join(f"WHEN {seconds} <= {most} THEN {number}" for number, most in enumerate(PACES))
    return f"CASE WHEN NOT ({is_known.format(row=row)}) THEN {NO_PACE} {classes} ELSE {len(PACES)} END"


def _sqlite(has_paces: bool) -> list[str]:
    seconds = "((julianday({end}) - julianday({start})) * 86400.0)" if has_paces else None
    added, removed = _noting_or_adding("NEW", 1, seconds), _noting_or_adding("OLD", -1, seconds)
    body = {NAMES[0]: added, NAMES[1]: f"{removed} {added}", NAMES[2]: removed}
    return [
        f"CREATE TRIGGER {name} AFTER {event} ON scheduled_task FOR EACH ROW "
        f"WHEN {condition.replace('IS DISTINCT FROM', 'IS NOT')} BEGIN {body[name]} END"
        for name, event, condition in _events(has_paces)
    ]


def _noting_or_adding(row: str, runs: int, seconds: str | None) -> str:
    """Many runs of a rule end together: a change like the last one is added to it. Nobody else writes meanwhile."""
    key = _key(row, seconds)
    last = {"id": f"(SELECT max(id) FROM {TABLE})", **key}  # noqa: S608
    is_same = " AND ".join(f"{name} = {value}" for name, value in last.items())
    adding = f"UPDATE {TABLE} SET runs = runs + {runs} WHERE {is_same};"  # noqa: S608
    return adding + _noting(key, str(runs), f"WHERE changes() = 0 AND {row}.status IN {CLOSED}")


def _postgresql(has_paces: bool) -> list[str]:
    seconds = "extract(epoch FROM {end} - {start})" if has_paces else None

    def change(row: str, runs: int) -> str:
        return _noting(_key(row, seconds), str(runs), f"WHERE {row}.status IN {CLOSED}")

    key = _key("new_run", seconds)
    same = ", ".join(str(number) for number, _ in enumerate(key, 1))
    together = f"FROM new_run WHERE new_run.status IN {CLOSED} GROUP BY {same}"
    functions = {
        "note_run_change": f"IF TG_OP = 'UPDATE' THEN {change('NEW', 1)} END IF; {change('OLD', -1)}",
        "note_new_runs": _noting(key, "count(*)", together),
    }
    inserted, *changed = _events(has_paces)
    return [
        *(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
            for name, body in functions.items()
        ),
        # Many runs of a rule are inserted together: one change for all that are alike.
        f"CREATE TRIGGER {inserted[0]} AFTER INSERT ON scheduled_task REFERENCING NEW TABLE AS new_run "
        "FOR EACH STATEMENT EXECUTE FUNCTION note_new_runs()",
        *(
            f"CREATE TRIGGER {name} AFTER {event} ON scheduled_task FOR EACH ROW WHEN ({condition}) "
            "EXECUTE FUNCTION note_run_change()"
            for name, event, condition in changed
        ),
    ]
