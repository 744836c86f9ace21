"""Marks conditions that are true for nearly all rows: without statistics SQLite prefers an index on them."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class usually(FunctionElement[bool]):  # noqa: N801 - reads as the function of SQL it is
    """`condition`, which the planner should not expect to be selective. PostgreSQL knows from its statistics."""

    # No type: a boolean one would be rendered as `= 1`, which hides the condition from the planner.
    name = "likely"
    inherit_cache = True

    def __init__(self, condition: ColumnElement[bool]) -> None:
        super().__init__(condition)


@compiles(usually)
def _as_it_is(element: usually, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(usually, "sqlite")
def _as_hint(element: usually, compiler: SQLCompiler, **options: Any) -> str:
    return f"likely({compiler.process(element.clauses, **options)})"
