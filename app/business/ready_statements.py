"""Statements as their driver gets them, made of a query once.

Over a query that is asked again SQLAlchemy looks up what it compiled, puts the parameters together and finds out what
the rows hold: for the small queries of pages several times the work of the database. So its text, the places of its
values, and how both these and the rows are converted are noted at its first execution; from then on only values are
filled in. PostgreSQL is to keep such statements with their plans.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Row
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler

KEEPS_PLAN = "keeps_plan"
"""Execution option of statements that the server is to keep with their plans."""
OPTIONS = {KEEPS_PLAN: True}

AnyRow = Row[*tuple[Any, ...]]
Values = Mapping[str, Any]
"""Of a query's parameters, by name."""
Convert = Callable[[Any], Any] | None
"""Makes what the driver takes of a value."""


class Filled(NamedTuple):
    """Where a value goes in the statement. part: the number of a value in a list; None for what
    is no list."""

    place: Any
    name: str
    part: int | None
    convert: Convert


@dataclass(frozen=True, slots=True)
class ReadyStatement:
    """blank: what the driver gets besides the text, by places or names, with those values that the database's dialect
    has added itself · columns: what those of the rows are called and how they are converted."""

    text: str
    blank: list[Any] | dict[str, Any]
    filled: Sequence[Filled]
    columns: SimpleResultMetaData

    def rows(self, connection: Connection, values: Values) -> Sequence[AnyRow]:
        """The rows that it finds with these values."""
        given: Any = self.blank.copy()
        for place, name, part, convert in self.filled:
            value = values[name] if part is None else values[name][part]
            given[place] = value if convert is None else convert(value)
        sent = given if isinstance(given, dict) else tuple(given)
        found = connection.exec_driver_sql(self.text, sent, execution_options=OPTIONS).all()
        return IteratorResult(self.columns, iter(found)).all()


def ready_statement(query: Any, values: Values, result: CursorResult[Any]) -> ReadyStatement | None:
    """The query as it has just been executed with these values, for any others whose lists are as long; None where
    lists hold rows."""
    context: Any = result.context
    compiled: SQLCompiler = context.compiled
    dialect = compiled.dialect
    if any(bind.expanding and bind.type._is_tuple_type for bind in compiled.binds.values()):
        return None
    state = compiled.construct_expanded_state({**values})
    parts = {
        part: (name, index)
        for name, many in state.parameter_expansion.items()
        for index, part in enumerate(many)
    }
    names = [*(state.positiontup or state.parameters)]
    filled = []
    for number, place in enumerate(names):
        name, part = parts.get(place, (place, None))
        bind = compiled.binds[name]
        if bind.key in values:
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            filled.append(Filled(number if compiled.positional else place, bind.key, part, convert))
    (sent,) = context.parameters
    types = [column.type.dialect_impl(dialect) for column in query.selected_columns]
    kinds = [kind for _, kind, *_ in context.cursor.description]
    read = [type.result_processor(dialect, kind) for type, kind in zip(types, kinds, strict=True)]
    columns = SimpleResultMetaData([*result.keys()], _processors=read)
    return ReadyStatement(state.statement, [*sent] if compiled.positional else {**sent}, filled, columns)
