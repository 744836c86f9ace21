"""Triggers that note each record that is made, archived, restored or counted otherwise, for the sums of records."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from app.business.automation.record_total_models import ARTICLES_TO_CHECK, PUBLISHED

TABLE = "record_change"
IN_USE = "{row}.archived_at IS NULL"
MADE_BY_RULE = "CASE WHEN {row}.made_by_run_id IS NULL THEN 0 ELSE 1 END"


class CountedRecords(NamedTuple):
    """Which rows of a table are counted. made_at: the column of the moment by which they are · by_rules: 1 where the
    row counts as made by a run, in terms of {row}, as the condition `counted`."""

    table: str
    counted: str = IN_USE
    made_at: str = "created_at"
    by_rules: str = MADE_BY_RULE
    of_status: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Those whose change may be one of the numbers."""
        more = ("status",) if self.of_status else ()
        return ("site_id", "archived_at", "made_by_run_id", self.made_at, *more)


KINDS = {
    "keyword": CountedRecords("keyword"),
    "cluster": CountedRecords("cluster"),
    "idea": CountedRecords("idea", f"{IN_USE} AND {{row}}.status <> 'rejected'", of_status=True),
    "task": CountedRecords("task"),
    "content": CountedRecords("content"),
    PUBLISHED: CountedRecords(
        "content", f"{IN_USE} AND {{row}}.status = 'published'", "status_since", "1", of_status=True
    ),
    ARTICLES_TO_CHECK: CountedRecords(
        "content", f"{IN_USE} AND {{row}}.status IN ('draft', 'review')", of_status=True
    ),
}
EVENTS = ("INSERT", "UPDATE", "DELETE")


def _name(kind: str, event: str) -> str:
    return f"record_{kind}_{event.lower()}"


NAMES = tuple((_name(kind, event), one.table) for kind, one in KINDS.items() for event in EVENTS)
"""Of the triggers, with their tables."""


def create_record_triggers(connection: Connection) -> None:
    """(Re)create them."""
    drop_record_triggers(connection)
    build = _postgresql if connection.dialect.name == "postgresql" else _sqlite
    for kind in KINDS:
        for statement in build(kind):
            connection.execute(text(statement))


def drop_record_triggers(connection: Connection) -> None:
    """Only a downgrade that drops the table needs it."""
    postgresql = connection.dialect.name == "postgresql"
    for name, table in NAMES:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{f' ON {table}' if postgresql else ''}"))
    if postgresql:
        functions = (f"{function}_{kind}" for kind in KINDS for function in ("note_new", "note_changed"))
        connection.execute(text(f"DROP FUNCTION IF EXISTS {', '.join(functions)}"))


INSERT = f"INSERT INTO {TABLE} (account_id, site_id, kind, made_at, records, by_rules)"


def _noting(kind: str, row: str, more: int, condition: str) -> str:
    one = KINDS[kind]
    by_rules = f"{more} * {one.by_rules.format(row=row)}"
    return (
        f"{INSERT} SELECT {row}.account_id, {row}.site_id, '{kind}', {row}.{one.made_at}, {more}, {by_rules} "
        f"WHERE {condition};"
    )


def _is_counted(kind: str, row: str) -> str:
    return f"({KINDS[kind].counted.format(row=row)})"


def _differs(kind: str) -> str:
    """Whether an update changes a number."""
    one = KINDS[kind]
    values = (f"({one.counted})", f"({one.by_rules})", "{row}.site_id", f"{{row}}.{one.made_at}")
    differs = (f"{value.format(row='OLD')} IS DISTINCT FROM {value.format(row='NEW')}" for value in values)
    either = f"({_is_counted(kind, 'OLD')} OR {_is_counted(kind, 'NEW')})"
    return f"{either} AND ({' OR '.join(differs)})"


def _sqlite(kind: str) -> list[str]:
    one, added, removed = KINDS[kind], _noting_or_adding(kind, "NEW", 1), _noting_or_adding(kind, "OLD", -1)
    differs = _differs(kind).replace("IS DISTINCT FROM", "IS NOT")
    events = (
        ("INSERT", "INSERT", _is_counted(kind, "NEW"), added),
        ("UPDATE", f"UPDATE OF {', '.join(one.columns)}", differs, f"{removed} {added}"),
        ("DELETE", "DELETE", _is_counted(kind, "OLD"), removed),
    )
    return [
        f"CREATE TRIGGER {_name(kind, event)} AFTER {when} ON {one.table} FOR EACH ROW WHEN {condition} "
        f"BEGIN {body} END"
        for event, when, condition, body in events
    ]


def _noting_or_adding(kind: str, row: str, more: int) -> str:
    """Many records are made at one moment: a change like the last one is added to it. Nobody else writes meanwhile."""
    one, counted = KINDS[kind], _is_counted(kind, row)
    by_rules = f"{more} * {one.by_rules.format(row=row)}"
    adding = (
        f"UPDATE {TABLE} SET records = records + {more}, by_rules = by_rules + {by_rules} "  # noqa: S608
        f"WHERE id = (SELECT max(id) FROM {TABLE}) AND account_id = {row}.account_id AND site_id = {row}.site_id "
        f"AND kind = '{kind}' AND made_at = {row}.{one.made_at} AND {counted};"
    )
    return f"{adding} {_noting(kind, row, more, f'changes() = 0 AND {counted}')}"


def _postgresql(kind: str) -> list[str]:
    one, columns = KINDS[kind], ", ".join(KINDS[kind].columns)
    added = _noting(kind, "NEW", 1, _is_counted(kind, "NEW"))
    removed = _noting(kind, "OLD", -1, _is_counted(kind, "OLD"))
    of_new = f"sum({one.by_rules.format(row='new_row')})"
    together = (
        f"{INSERT} SELECT account_id, site_id, '{kind}', {one.made_at}, count(*), {of_new} FROM new_row "  # noqa: S608
        f"WHERE {_is_counted(kind, 'new_row')} GROUP BY account_id, site_id, {one.made_at};"
    )
    functions = {
        f"note_new_{kind}": together,
        f"note_changed_{kind}": f"{removed} IF TG_OP = 'UPDATE' THEN {added} END IF;",
    }
    changed = f"FOR EACH ROW WHEN ({{}}) EXECUTE FUNCTION note_changed_{kind}()"
    insert, update, delete = (_name(kind, event) for event in EVENTS)
    return [
        *(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
            for name, body in functions.items()
        ),
        # An import inserts thousands together: one change for all that are alike.
        f"CREATE TRIGGER {insert} AFTER INSERT ON {one.table} REFERENCING NEW TABLE AS new_row "
        f"FOR EACH STATEMENT EXECUTE FUNCTION note_new_{kind}()",
        f"CREATE TRIGGER {update} AFTER UPDATE OF {columns} ON {one.table} {changed.format(_differs(kind))}",
        f"CREATE TRIGGER {delete} AFTER DELETE ON {one.table} {changed.format(_is_counted(kind, 'OLD'))}",
    ]
