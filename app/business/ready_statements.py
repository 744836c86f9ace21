"""Statements as their driver gets them, made of a query once.

Over a query that it has compiled SQLAlchemy looks up what it compiled, puts parameters and result together and tells
those who listen: for the small queries of pages several times the work of the database. So the text, the places of the
values, and how these and the rows are converted are noted at the first execution; from then on the driver's cursor gets
them. Where somebody watches statements, SQLAlchemy executes all of them as usual.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Row
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler

EXECUTES = "executes_ready"
"""Execution option of an engine: a function in place of the cursor's own `execute`, with the cursor before its
arguments."""

AnyRow = Row[*tuple[Any, ...]]
Values = Mapping[str, Any]
"""Of a query's parameters, by name."""
Convert = Callable[[Any], Any] | None
"""Makes what the driver takes of a value."""


class Filled(NamedTuple):
    """Where a value goes: a number or a name, as the driver has it."""

    place: Any
    name: str
    convert: Convert


@dataclass(frozen=True, slots=True)
class ReadyStatement:
    """blank: what the driver gets besides the text, by places or names, with those values that no query names ·
    columns: what those of the rows are called, and how they are converted."""

    text: str
    blank: list[Any] | dict[str, Any]
    filled: Sequence[Filled]
    columns: SimpleResultMetaData

    def rows(self, connection: Connection, values: Values) -> Sequence[AnyRow]:
        """The rows that it finds with these values, in the connection's transaction. Raises what SQLAlchemy raises."""
        given: Any = self.blank.copy()
        for place, name, convert in self.filled:
            value = values[name]
            given[place] = value if convert is None else convert(value)
        driver: Any = connection.connection
        cursor = driver.cursor()
        execute = connection.get_execution_options().get(EXECUTES)
        try:
            if execute is None:
                cursor.execute(self.text, given)
            else:
                execute(cursor, self.text, given)
            found = cursor.fetchall()
        except BaseException as error:
            connection._handle_dbapi_exception(error, self.text, given, cursor, None)
        cursor.close()
        return IteratorResult(self.columns, iter(found)).all()


def may_be_ready(connection: Connection) -> bool:
    """Whether nobody watches each statement, and a transaction has begun."""
    return connection.in_transaction() and not connection.dispatch.before_cursor_execute


def ready_statement(query: Any, values: Values, result: CursorResult[Any]) -> ReadyStatement | None:
    """The query as it has just been executed with these values, for any others; None where its text depends on them, as
    that of a list does."""
    context: Any = result.context
    compiled: SQLCompiler = context.compiled
    dialect = compiled.dialect
    if compiled.post_compile_params or compiled.literal_execute_params:
        return None
    (sent,) = context.parameters
    filled = []
    for number, name in enumerate(compiled.positiontup or compiled.binds):
        bind = compiled.binds[name]
        if bind.key in values:
            place = number if compiled.positional else compiled.escaped_bind_names.get(name, name)
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            filled.append(Filled(place, bind.key, convert))
    types = [column.type.dialect_impl(dialect) for column in query.selected_columns]
    kinds = [kind for _, kind, *_ in context.cursor.description]
    read = [type.result_processor(dialect, kind) for type, kind in zip(types, kinds, strict=True)]
    columns = SimpleResultMetaData([*result.keys()], _processors=read)
    return ReadyStatement(compiled.string, [*sent] if compiled.positional else {**sent}, filled, columns)
