"""Queries that a process keeps ready: the words of our enumerations are a part of their text, and so is the number of
rows that is wanted.

SQLAlchemy prepares every parameter at each execution, and writes lists of them (`IN`) into the text anew, which takes
longer than many a query's answer. PostgreSQL keeps plans that serve any values of parameters: by words in the text they
find partial indexes; of a number that is a parameter they expect a tenth of all rows, and such a plan looks so dear
that the server makes another one at each execution. What differs by account, person or day stays a parameter: the
statement is the same.
"""

from enum import Enum
from typing import Any, TypeVar, cast

from sqlalchemy import BindParameter, ClauseElement, ColumnElement, CompoundSelect, Select, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import _OffsetLimitParam
from sqlalchemy.sql.visitors import ExternallyTraversible, replacement_traverse

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]])


class words(FunctionElement[Any]):  # noqa: N801 - like the other functions of SQL
    """A word of an enumeration, or a list of them."""

    inherit_cache = True
    name = "words"

    def __init__(self, bound: BindParameter[Any]) -> None:
        # By it SQLAlchemy knows statements that differ by the value apart.
        super().__init__(literal_column(repr(bound.value), bound.type))
        self.type, self.bound = bound.type, bound


@compiles(words)
def _as_text(element: words, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.bound, **options | {"literal_binds": True})


def words_as_text(query: Query) -> Query:
    """The query with statuses, kinds and other words of enumerations as text, and with its limits."""
    return cast(Query, replacement_traverse(cast(ClauseElement, query), {}, _words))


def limits_as_text(query: Query) -> Query:
    """The query with the number of rows that is wanted as text, and nothing else."""
    return cast(Query, replacement_traverse(cast(ClauseElement, query), {}, _limit))


def _limit(element: ExternallyTraversible, **_options: Any) -> ColumnElement[Any] | None:
    if isinstance(element, _OffsetLimitParam):
        return literal_column(str(element.value), element.type)
    return None


def _words(element: ExternallyTraversible, **_options: Any) -> ColumnElement[Any] | None:
    if type(element) is not BindParameter:
        return _limit(element)
        return None
    values = element.value if element.expanding else (element.value,)
    return words(element) if values and all(isinstance(value, Enum) for value in values) else None
