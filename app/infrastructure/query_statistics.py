"""Statistics of SQLite's indexes: without them it chooses indexes worse as tables grow.

Small tables have assumed ones, as if they were large already: so plans are the same on the first day and later, however
fast a table grows. Large tables have those that ANALYZE finds. Connections read these figures when they are opened, so
pools open theirs anew every hour (`database.engine_options`). PostgreSQL keeps its own.
"""

from math import prod

from sqlalchemy import Connection, Engine, Table

from app.business.base import Base

FEW = 10_000
"""Statistics of smaller tables would soon be outdated."""
LOOKED_AT = 1_000
"""Rows sampled from each index: takes milliseconds, whatever the size of the table."""
ASSUMED_ROWS = 1_000_000
OPEN_ROWS = 1_000
OPEN = ("ready", "in_turn", "leased", "waiting", "waiting_of_rule", "waiting_until", "start", "retry")
"""Indexes of runs that are open or wait: few at any time."""
OPEN_ELSEWHERE = (
    "ix_ai_reservation_open",
    "ix_batch_delivery_open",
    "ix_event_batch_undispatched",
    "ix_keyword_import_open",
    "ix_mail_due",
    "ix_operation_open",
    "ix_rule_record_claimed",
    "ix_rule_record_unfinished",
    "ix_webhook_delivery_due",
    "uq_incident_open",
    "uq_mail_busy_host",
    "uq_mail_open_group",
    "uq_scheduled_task_one_running",
    "uq_webhook_delivery_busy_host",
)
OF_PIPELINE = ("cluster", "keyword", "idea", "task", "content")
PARTS = {
    **{f"ix_scheduled_task_{name}": OPEN_ROWS for name in OPEN},
    **dict.fromkeys(OPEN_ELSEWHERE, OPEN_ROWS),
    **{f"ix_{table}_account_id_assignee_id_id": 100_000 for table in OF_PIPELINE},
    **{f"ix_{table}_account_id_made_by_run_id_id": 500_000 for table in OF_PIPELINE},
    "ix_action_run_charged": 500_000,
    "ix_audit_entry_api_key": 100_000,
    "ix_audit_entry_by_nobody": 100_000,
    "ix_automation_rule_split": 10_000,
    "ix_automation_rule_unplanned": 500_000,
    "ix_rule_change_to_decide": 10_000,
    "ix_scheduled_task_charged": 100_000,
    "ix_scheduled_task_charged_status": 100_000,
    "ix_scheduled_task_promised": 100_000,
    "ix_scheduled_task_used_credits": 100_000,
    "ix_scheduled_task_user": 100_000,
    "ix_scheduled_task_reason": 200_000,
    "ix_scheduled_task_rule_cause": 200_000,
    "ix_scheduled_task_site_cause": 200_000,
    "uq_automation_rule_built_in": 10_000,
    "uq_rule_change_waiting": 10_000,
    "uq_scheduled_task_due": 500_000,
    "uq_site_calendar_of_account": 100_000,
}
"""Rows of the indexes that leave rows of their table out, other than archived ones."""
VALUES = {
    "account_id": 10,
    "site_id": 5,
    "split_site_id": 5,
    "sector_id": 10,
    "automation_rule_id": 50,
    "rule_id": 50,
    "user_id": 10,
    "assignee_id": 10,
    "local_day": 500,
    "status": 4,
    "state": 4,
    "kind": 4,
    "type": 8,
    "cause": 5,
    "reason": 10,
    "record_type": 5,
    "queue": 3,
    "priority": 3,
    "waiting_for": 5,
}
"""How many values a column has, where there are few; within an account for what belongs to one."""


def keep(engine: Engine) -> None:
    """Update the statistics of every large table, each in its own transaction, and assume those of the small ones."""
    if engine.dialect.name != "sqlite":
        return
    for table in Base.metadata.sorted_tables:
        with engine.begin() as connection:
            if _is_large(connection, table):
                connection.exec_driver_sql(f"PRAGMA analysis_limit={LOOKED_AT}")
                connection.exec_driver_sql(f"ANALYZE {_quoted(connection, table)}")
    with engine.begin() as connection:
        assume(connection)


def assume(connection: Connection, *, of_all: bool = False) -> None:
    """Give the small tables that are present, or all of them, the statistics of large ones; PostgreSQL needs none."""
    if connection.dialect.name != "sqlite":
        return
    # Makes the table of statistics if there is none yet.
    connection.exec_driver_sql("ANALYZE sqlite_schema")
    present = set(connection.dialect.get_table_names(connection))
    for table in Base.metadata.sorted_tables:
        if table.name in present and (of_all or not _is_large(connection, table)):
            connection.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE tbl = ?", (table.name,))
            for index, *figures in _assumed(connection, table):
                row = (table.name, index, " ".join(map(str, figures)))
                connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", row)
    connection.exec_driver_sql("ANALYZE sqlite_schema")


def _assumed(connection: Connection, table: Table) -> list[tuple[str, *tuple[int, ...]]]:
    """Each index of the table: its name, its rows, and the rows that have its first, first two, ... columns alike."""
    found = []
    listed = connection.exec_driver_sql(f"PRAGMA index_list({_quoted(connection, table)})").mappings().all()
    for index in listed:
        rows = PARTS.get(index["name"], ASSUMED_ROWS)
        ordered = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
        named = connection.exec_driver_sql(ordered, (index["name"],))
        values = [VALUES.get(name, rows) for name in named.scalars()]
        alike = (max(rows // prod(values[: count + 1]), 1) for count in range(len(values)))
        found.append((index["name"], rows, *alike))
    return found


def _is_large(connection: Connection, table: Table) -> bool:
    found = connection.exec_driver_sql(f"SELECT MAX(rowid) FROM {_quoted(connection, table)}")  # noqa: S608
    return (found.scalar() or 0) >= FEW


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)
