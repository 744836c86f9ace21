"""SQL functions that SQLite and PostgreSQL call by different names."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Dialect,
    Float,
    Integer,
    String,
    TypeDecorator,
    bindparam,
    literal,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class position(FunctionElement[int]):  # noqa: N801 - read as an SQL function
    """The position of the second text in the first, from 1; 0 when it is not there."""

    type = Integer()
    inherit_cache = True
    name = "position"


Option = Any
"""What SQLAlchemy passes on from one compiler call to the next. Any: it is typed so there."""


def _arguments(
    element: "position | has_words | is_among | seconds_between | utc_day | in_order",
    compiler: SQLCompiler,
    **options: Option,
) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(position, "sqlite")
def _(element: position, compiler: SQLCompiler, **options: Option) -> str:
    return "instr({}, {})".format(*_arguments(element, compiler, **options))


@compiles(position, "postgresql")
def _(element: position, compiler: SQLCompiler, **options: Option) -> str:
    return "strpos({}, {})".format(*_arguments(element, compiler, **options))


class has_words(FunctionElement[bool]):  # noqa: N801 - read as an SQL function
    """Whether one of these texts, none of which is null, holds the words as they stand; capitals do not matter (on
    SQLite: those of ASCII)."""

    type = Boolean()
    inherit_cache = True
    name = "has_words"

    def __init__(self, words: str, *texts: ColumnElement[str] | InstrumentedAttribute[str]) -> None:
        escaped = re.sub(r"([\\%_])", r"\\\1", words.lower())
        super().__init__(literal(f"%{escaped}%"), *texts)


@compiles(has_words, "sqlite")
def _(element: has_words, compiler: SQLCompiler, **options: Option) -> str:
    # Its LIKE makes no difference of capitals by itself, in half the time that `lower` takes.
    words, *texts = _arguments(element, compiler, **options)
    return "({})".format(" OR ".join(f"{text} LIKE {words} ESCAPE '\\'" for text in texts))


@compiles(has_words, "postgresql")
def _(element: has_words, compiler: SQLCompiler, **options: Option) -> str:
    # As one text: what it costs to look through is by the text, hardly by its length. No words go on past a separator.
    words, *texts = _arguments(element, compiler, **options)
    return "(lower({}) LIKE {} ESCAPE '\\')".format(" || E'\\x1f' || ".join(texts), words)


class Ids(TypeDecorator[Sequence[int]]):
    """Ids as one value: an array of PostgreSQL, JSON for SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = ARRAY(BigInteger) if dialect.name == "postgresql" else String()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> Any:
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class is_among(FunctionElement[bool]):  # noqa: N801 - read as an SQL function
    """Whether the id is one of those of a parameter. Unlike `in_` its text is the same for any number of ids, so that
    the query is kept ready."""

    type = Boolean()
    inherit_cache = True
    name = "is_among"

    def __init__(self, id: ColumnElement[int] | InstrumentedAttribute[int], parameter: str) -> None:
        super().__init__(id, bindparam(parameter, type_=Ids()))

    def self_group(self, against: Any = None) -> Any:
        """As it is: what SQLite is made to compare with 1 is looked up in no index."""
        return self


@compiles(is_among, "sqlite")
def _(element: is_among, compiler: SQLCompiler, **options: Option) -> str:
    return "({} IN (SELECT value FROM json_each({})))".format(*_arguments(element, compiler, **options))  # noqa: S608


@compiles(is_among, "postgresql")
def _(element: is_among, compiler: SQLCompiler, **options: Option) -> str:
    return "({} = ANY ({}))".format(*_arguments(element, compiler, **options))


class seconds_between(FunctionElement[float]):  # noqa: N801 - read as an SQL function
    """Seconds from the first instant to the second, on SQLite to a millisecond; null where either is."""

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


class utc_day(FunctionElement[date]):  # noqa: N801 - read as an SQL function
    """The day of UTC on which the instant lies once it is put so many whole seconds ahead."""

    type = Date()
    inherit_cache = True
    name = "utc_day"

    def __init__(self, at: ColumnElement[datetime] | InstrumentedAttribute[datetime], ahead: int) -> None:
        super().__init__(at, literal_column(str(ahead)))


@compiles(utc_day, "sqlite")
def _(element: utc_day, compiler: SQLCompiler, **options: Option) -> str:
    at, ahead = _arguments(element, compiler, **options)
    # Without the part of a second, which SQLite rounds: up to the next day, at the end of one.
    return f"date(substr({at}, 1, 19), {ahead} || ' seconds')"


@compiles(utc_day, "postgresql")
def _(element: utc_day, compiler: SQLCompiler, **options: Option) -> str:
    at, ahead = _arguments(element, compiler, **options)
    return f"CAST(({at} + {ahead} * INTERVAL '1 second') AT TIME ZONE 'UTC' AS DATE)"


class in_order(FunctionElement[str]):  # noqa: N801 - read as an SQL function
    """The texts of the rows of a subquery one after another, null without rows; the rest says how it is ordered.

    The subquery has that order itself and a limit: SQLite takes its rows as they come, PostgreSQL orders them again.
    """

    type = String()
    inherit_cache = True
    name = "in_order"


@compiles(in_order, "sqlite")
def _(element: in_order, compiler: SQLCompiler, **options: Option) -> str:
    texts, *_ = _arguments(element, compiler, **options)
    return f"group_concat({texts}, '')"


@compiles(in_order, "postgresql")
def _(element: in_order, compiler: SQLCompiler, **options: Option) -> str:
    texts, *order = _arguments(element, compiler, **options)
    return f"string_agg({texts}, '' ORDER BY {', '.join(order)})"
