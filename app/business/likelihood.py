"""What is true of nearly all rows: without statistics SQLite takes an index of the others for the best way to them."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class usually(FunctionElement[bool]):  # noqa: N801 - reads as the function of SQL it is
    """`condition`, of which a query should not expect that it leaves few rows. PostgreSQL knows by itself."""

    # No type: one of truth values would be compared with 1, which hides the condition.
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
