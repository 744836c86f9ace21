"""SQL functions that SQLite and PostgreSQL call by different names."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class position(FunctionElement[int]):  # noqa: N801 - read as an SQL function
    """The position of the second text in the first, from 1; 0 when it is not there."""

    type = Integer()
    inherit_cache = True
    name = "position"


def _arguments(element: Any, compiler: Any, **options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(position, "sqlite")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "instr({}, {})".format(*_arguments(element, compiler, **options))


@compiles(position, "postgresql")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "strpos({}, {})".format(*_arguments(element, compiler, **options))
