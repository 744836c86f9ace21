"""How much of the tables the statements of a page read, by whichever statistics the database has of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from app.infrastructure import query_statistics

Statement = tuple[str, Any]
LONG_AGO = 100
"""Rows that a table had when outdated statistics were taken of it."""


@contextmanager
def selected(session: Session, is_wanted: Callable[[str], bool]) -> Iterator[list[Statement]]:
    """The wanted ones among the queries of the block."""
    found: list[Statement] = []
    engine = session.get_bind()
    assert isinstance(engine, Engine)

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and is_wanted(statement):
            found.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def read(session: Session, statement: str, values: Any) -> int:
    """SQLite: instructions. PostgreSQL: rows that its scans and joins look at."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return instructions(session, lambda: connection.exec_driver_sql(statement, values).all())
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalars()
    return scanned(json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"])


def instructions(session: Session, ask: Callable[[], Any]) -> int:
    """How many SQLite executes for it."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 100

    driver = session.connection().connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(count, 100)
    try:
        ask()
    finally:
        driver.set_progress_handler(None, 0)
    session.expunge_all()
    return counted


def scanned(plan: dict[str, Any]) -> int:
    """Rows that the scans of PostgreSQL's plan look at, and pairs of rows that its joins compare in vain."""
    rows = int(plan.get("Rows Removed by Join Filter", 0) * plan["Actual Loops"])
    if "Relation Name" in plan:
        seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        rows += int(seen * plan["Actual Loops"])
    return rows + sum(scanned(part) for part in plan.get("Plans", ()))


def statistics(session: Session) -> Iterator[str]:
    """Those an installation may have, one after the other, each for what is read before the next: fresh ones; on SQLite
    also the assumed ones of a new installation, and outdated ones, of tables that had few rows when they were taken."""
    session.commit()
    session.execute(text("ANALYZE"))
    yield "fresh"
    if session.get_bind().dialect.name == "postgresql":
        return
    for index, told in session.execute(
        text("SELECT idx, stat FROM sqlite_stat1 WHERE idx IS NOT NULL")
    ).all():
        rows, *alike = (int(figure) for figure in told.split())
        then = min(rows, LONG_AGO)
        outdated = " ".join(
            str(figure) for figure in (then, *(max(then * each // rows, 1) for each in alike))
        )
        session.execute(
            text("UPDATE sqlite_stat1 SET stat = :stat WHERE idx = :idx"), {"stat": outdated, "idx": index}
        )
    session.execute(text("ANALYZE sqlite_schema"))
    yield "outdated"
    as_installed(session)
    yield "as installed"
    session.commit()


def as_installed(session: Session) -> None:
    """The statistics that SQLite has of tables that are still small."""
    if session.get_bind().dialect.name == "sqlite":
        query_statistics.assume(session.connection(), of_all=True)
