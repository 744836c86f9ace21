"""SQL functions that SQLite and PostgreSQL call by different names."""

from typing import Any

from sqlalchemy import Float, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class position(FunctionElement[int]):  # noqa: N801 - read as an SQL function
    """The position of the second text in the first, from 1; 0 when it is not there."""

    type = Integer()
    inherit_cache = True
    name = "position"


Option = Any
"""What SQLAlchemy passes on from one compiler call to the next. Any: it is typed so there."""


def _arguments(element: "position | seconds_between", compiler: SQLCompiler, **options: Option) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(position, "sqlite")
def _(element: position, compiler: SQLCompiler, **options: Option) -> str:
    return "instr({}, {})".format(*_arguments(element, compiler, **options))


@compiles(position, "postgresql")
def _(element: position, compiler: SQLCompiler, **options: Option) -> str:
    return "strpos({}, {})".format(*_arguments(element, compiler, **options))


class seconds_between(FunctionElement[float]):  # noqa: N801 - read as an SQL function
    """Seconds from the first instant to the second; null where either is."""

    type = Float()
    inherit_cache = True
    name = "seconds_between"


@compiles(seconds_between, "sqlite")
def _(element: seconds_between, compiler: SQLCompiler, **options: Option) -> str:
    start, end = _arguments(element, compiler, **options)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


@compiles(seconds_between, "postgresql")
def _(element: seconds_between, compiler: SQLCompiler, **options: Option) -> str:
    start, end = _arguments(element, compiler, **options)
    return f"extract(epoch FROM {end} - {start})"
