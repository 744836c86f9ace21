"""Tells SQLite's planner what it cannot know: which conditions are true for nearly all rows, which index not to use.

PostgreSQL knows from its statistics.
"""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

T = TypeVar("T")


class usually(FunctionElement[bool]):  # noqa: N801 - reads as the function of SQL it is
    """`condition`, which the planner should not expect to be selective."""

    # No type: a boolean one would be rendered as `= 1`, which hides the condition from the planner.
    name = "likely"
    inherit_cache = True

    def __init__(self, condition: ColumnElement[bool]) -> None:
        super().__init__(condition)


class unindexed(FunctionElement[T]):  # noqa: N801 - likewise
    """`column`, of which no index should be searched for its value."""

    name = "unindexed"
    inherit_cache = True

    def __init__(self, column: InstrumentedAttribute[T]) -> None:
        super().__init__(column)
        self.type = column.expression.type


@compiles(usually)
@compiles(unindexed)
def _as_it_is(element: usually | unindexed[Any], compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(usually, "sqlite")
def _as_hint(element: usually, compiler: SQLCompiler, **options: Any) -> str:
    return f"likely({compiler.process(element.clauses, **options)})"


@compiles(unindexed, "sqlite")
def _as_expression(element: unindexed[Any], compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
