"""Queries that a process keeps ready, because to build one takes longer than its answer.

Queries of several accounts, people or days mostly have one form and differ in values: the form is kept once, and for
each query its values, which take a hundredth of the memory.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

from sqlalchemy import CompoundSelect, Connection, Dialect, Result, Select
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.orm import Session
from sqlalchemy.util import LRUCache

from app.business.archived_rows import in_use
from app.business.ready_statements import AnyRow, ReadyStatement, Values, may_be_ready, ready_statement

FORMS = 150
"""That a process keeps."""
DATABASES = 4
"""That a process asks in turn: one, and a few where several are compared."""
KEEPS_PLAN = "keeps_plan"
"""Execution option of statements that the database's server may keep too, with their plans."""

Arguments = ParamSpec("Arguments")
Query = TypeVar("Query", bound=Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]])
Entity = TypeVar("Entity")


class _CompiledOnce(MutableMapping[Any, Compiled]):
    """SQLAlchemy's cache, for a single query. Its key is the dialect and the query's whole structure: to look that up
    in a dictionary takes longer than most answers, and to see that it is the same object as last time takes nothing."""

    def __init__(self) -> None:
        self._by_dialect: dict[Any, tuple[Any, Compiled]] = {}

    def __getitem__(self, key: Any) -> Compiled:
        same, compiled = self._by_dialect[key[0]]
        if same != key:
            raise KeyError
        return compiled

    def __setitem__(self, key: Any, compiled: Compiled) -> None:
        if len(self._by_dialect) == DATABASES:
            self._by_dialect.clear()
        self._by_dialect[key[0]] = (key, compiled)

    def __delitem__(self, key: Any) -> None:
        del self._by_dialect[key[0]]

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._by_dialect.values())

    def __len__(self) -> int:
        return len(self._by_dialect)


@dataclass(frozen=True, slots=True)
class _Form:
    """A query with the values of whoever was first. places: the names of its values, in their order · ready: the
    statements made of it, by the database; None where none can be made."""

    query: Any
    places: Sequence[str]
    options: Mapping[str, Any]
    ready: MutableMapping[Dialect, ReadyStatement | None]


@dataclass(frozen=True, slots=True)
class KeptQuery(Generic[Query]):
    """A form that other queries may have as well, and the values of this one. Archived records are left out.

    Whoever executes it gives the values of those parameters that differ each time.
    """

    form: _Form
    values: Mapping[str, Any]

    def rows(self, connection: Connection, given: Values) -> Sequence[AnyRow]:
        """Past the session."""
        form, values, dialect = self.form, {**self.values, **given}, connection.dialect
        ready = form.ready.get(dialect)
        if ready is not None and may_be_ready(connection):
            return ready.rows(connection, values)
        result = connection.execute(form.query, values, execution_options=form.options)
        if dialect not in form.ready:
            if len(form.ready) == DATABASES:
                form.ready.clear()
            form.ready[dialect] = ready_statement(form.query, values, result)
        return result.all()

    def entities(
        self: "KeptQuery[Select[Entity]]", session: Session, given: Mapping[str, Any]
    ) -> Sequence[Entity]:
        """Those of the session that it finds."""
        return cast(Sequence[Entity], self.loaded(session, given).scalars().all())

    def loaded(self, session: Session, given: Values) -> Result[*tuple[Any, ...]]:
        """What it finds, with entities as those of the session."""
        form = self.form
        return session.execute(form.query, {**self.values, **given}, execution_options=form.options)


def kept_queries(most: int) -> Callable[[Callable[Arguments, Query]], Callable[Arguments, KeptQuery[Query]]]:
    """For a function that builds a query of its arguments and of nothing else: kept for so many of them."""

    def keep(build: Callable[Arguments, Query]) -> Callable[Arguments, KeptQuery[Query]]:
        @wraps(build)
        def built(*arguments: Arguments.args, **named: Arguments.kwargs) -> KeptQuery[Query]:
            return kept(build(*arguments, **named))

        return cast(Callable[Arguments, KeptQuery[Query]], lru_cache(maxsize=most)(built))

    return keep


_forms: LRUCache[Hashable, _Form] = LRUCache(FORMS)


def kept(query: Query) -> KeptQuery[Query]:
    """The query, in the form of the first that had the same. Raises TypeError where SQLAlchemy cannot tell forms
    apart."""
    query = in_use(query)
    key = query._generate_cache_key()
    if key is None:
        raise TypeError(f"not a form: {query}")
    form = _forms.get(key.key)
    if form is None:
        places = [place.key for place in key.bindparams]
        options = {"compiled_cache": _CompiledOnce(), KEEPS_PLAN: True}
        form = _forms[key.key] = _Form(query, places, options, {})
    pairs = zip(form.places, key.bindparams, strict=True)
    return KeptQuery(form, {name: place.effective_value for name, place in pairs if not place.required})
