"""SQL functions that differ between SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import Integer, String, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.business.automation.services.catalogue.field_types import SqlValue
from app.business.folding import BREAKS

Option = Any
"""What SQLAlchemy passes on from one compiler call to the next. Any: it is typed so there."""


class words_of(FunctionElement[str]):  # noqa: N801
    """SQL version of `app.business.folding.words`."""

    type = String()
    inherit_cache = True
    name = "words_of"

    def __init__(self, text: SqlValue) -> None:
        super().__init__(text, _constant(BREAKS), _constant(" " * len(BREAKS)))


class members(FunctionElement[str]):  # noqa: N801
    """The texts of a JSON list, as a table with the column `value`."""

    type = String()
    inherit_cache = True
    name = "members"


class size(FunctionElement[int]):  # noqa: N801
    """The length of a JSON list."""

    type = Integer()
    inherit_cache = True
    name = "size"


def _constant(text: str) -> SqlValue:
    return bindparam(None, text, String(), unique=True)


def _arguments(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(words_of, "sqlite")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    return f"words({compiler.process(next(iter(element.clauses)), **options)})"


@compiles(words_of, "postgresql")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    text, before, after = _arguments(element, compiler, **options)
    return f"btrim(regexp_replace(translate({text}, {before}, {after}), ' +', ' ', 'g'), ' ')"


@compiles(members, "sqlite")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    return "json_each({})".format(*_arguments(element, compiler, **options))


@compiles(members, "postgresql")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    return "jsonb_array_elements_text({})".format(*_arguments(element, compiler, **options))


@compiles(size, "sqlite")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    return "json_array_length({})".format(*_arguments(element, compiler, **options))


@compiles(size, "postgresql")
def _(element: FunctionElement[str], compiler: SQLCompiler, **options: Option) -> str:
    return "jsonb_array_length({})".format(*_arguments(element, compiler, **options))
