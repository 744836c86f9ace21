"""What the database itself does, beyond keys and checks: refuse changes to append-only history, count ended runs and
records.

One list for both databases. SQLite drops triggers silently when a migration rebuilds a table, so every
migration ends by calling `protect_history`, and the audit checks that they exist.
"""

from sqlalchemy import Connection, inspect, text

from app.infrastructure import record_triggers, run_triggers

APPEND_ONLY = ("credit_entry", "audit_entry", "rule_version")


def trigger_names(table: str) -> tuple[str, str]:
    """Names of the triggers that refuse updates and deletes of `table`."""
    return f"{table}_no_update", f"{table}_no_delete"


def protect_history(connection: Connection) -> None:
    """(Re)create the triggers of every append-only table, those of runs and those of records."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(_REFUSE))
    for table in APPEND_ONLY:
        for name, verb in zip(trigger_names(table), ("UPDATE", "DELETE"), strict=True):
            for statement in _statements(connection.dialect.name, table, name, verb):
                connection.execute(text(statement))
    # Older revisions have no table for what these note.
    if inspect(connection).has_table(run_triggers.TABLE):
        run_triggers.create_run_triggers(connection)
    if inspect(connection).has_table(record_triggers.TABLE):
        record_triggers.create_record_triggers(connection)


def is_protected(connection: Connection) -> bool:
    """Whether all triggers are there, by their names."""
    present = (
        "SELECT tgname FROM pg_trigger" if connection.dialect.name == "postgresql" else _TRIGGERS_OF_SQLITE
    )
    wanted = {name for table in APPEND_ONLY for name in trigger_names(table)}
    counting = (*run_triggers.NAMES, *(name for name, _ in record_triggers.NAMES))
    return wanted.union(counting) <= set(connection.scalars(text(present)))


def unprotect_history(connection: Connection) -> None:
    """Remove the triggers (only a downgrade that drops the tables needs it)."""
    for table in APPEND_ONLY:
        for name in trigger_names(table):
            on_table = f" ON {table}" if connection.dialect.name == "postgresql" else ""
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{on_table}"))
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP FUNCTION IF EXISTS refuse_change_of_history"))


_TRIGGERS_OF_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$
"""


def _statements(dialect: str, table: str, name: str, verb: str) -> list[str]:
    if dialect == "postgresql":
        return [
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history()",
        ]
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ]
