"""Triggers that note each run that ends, ends differently or is no ended run any more, for the daily sums of runs."""

from sqlalchemy import Connection, text

TABLE = "run_change"
CLOSED = "('completed', 'failed', 'skipped')"
COUNTED = ("account_id", "site_id", "status", "reason", "scheduled_at")
NAMES = ("scheduled_task_counted", "scheduled_task_recounted", "scheduled_task_uncounted")


def create_run_triggers(connection: Connection) -> None:
    """(Re)create them."""
    drop_run_triggers(connection)
    build = _postgresql if connection.dialect.name == "postgresql" else _sqlite
    for statement in build():
        connection.execute(text(statement))


def drop_run_triggers(connection: Connection) -> None:
    """Only a downgrade that drops the table needs it."""
    postgresql = connection.dialect.name == "postgresql"
    for name in NAMES:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{' ON scheduled_task' if postgresql else ''}"))
    if postgresql:
        connection.execute(text("DROP FUNCTION IF EXISTS note_run_change"))


def _events() -> tuple[tuple[str, str, str], ...]:
    """Name, event and condition of each trigger."""
    differs = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in COUNTED)
    either = f"(OLD.status IN {CLOSED} OR NEW.status IN {CLOSED})"
    events = (
        ("INSERT", f"NEW.status IN {CLOSED}"),
        (f"UPDATE OF {', '.join(COUNTED)}", f"{either} AND ({differs})"),
        ("DELETE", f"OLD.status IN {CLOSED}"),
    )
    return tuple((name, *event) for name, event in zip(NAMES, events, strict=True))


def _change(row: str, runs: int) -> str:
    """The statement that notes the run as it was (OLD) or is (NEW), if it has ended."""
    return (
        f"INSERT INTO {TABLE} (account_id, scheduled_at, site_id, status, reason, runs) "
        f"SELECT {row}.account_id, {row}.scheduled_at, COALESCE({row}.site_id, 0), {row}.status, "
        f"COALESCE({row}.reason, ''), {runs} WHERE {row}.status IN {CLOSED};"
    )


def _sqlite() -> list[str]:
    body = {
        NAMES[0]: _change("NEW", 1),
        NAMES[1]: f"{_change('OLD', -1)} {_change('NEW', 1)}",
        NAMES[2]: _change("OLD", -1),
    }
    return [
        f"CREATE TRIGGER {name} AFTER {event} ON scheduled_task FOR EACH ROW "
        f"WHEN {condition.replace('IS DISTINCT FROM', 'IS NOT')} BEGIN {body[name]} END"
        for name, event, condition in _events()
    ]


def _postgresql() -> list[str]:
    function = (
        "CREATE FUNCTION note_run_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP <> 'INSERT' THEN {_change('OLD', -1)} END IF; "
        f"IF TG_OP <> 'DELETE' THEN {_change('NEW', 1)} END IF; RETURN NULL; END $$"
    )
    triggers = (
        f"CREATE TRIGGER {name} AFTER {event} ON scheduled_task FOR EACH ROW WHEN ({condition}) "
        "EXECUTE FUNCTION note_run_change()"
        for name, event, condition in _events()
    )
    return [function, *triggers]
