"""Lists as files: the same filters and keys as the list, all of its rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from flask import Response
from pydantic import JsonValue

from app.business.base import AccountOwned
from app.business.paging import Page, every_page
from app.business.planner.services.record_lists import RecordList
from app.infrastructure.database import db
from app.infrastructure.table_files import TYPES
from app.modules.api.declaration import Media
from app.modules.api.records import Readable, RecordShown, Row, list_rows, show
from app.modules.api.resource import Query, Window, json_of
from app.modules.file_answers import file_of

FILE = {200: Media("text/csv", tuple(kind for kind in TYPES.values() if "csv" not in kind))}
"""The answer of every export, as it is declared."""
JsonRow = dict[str, JsonValue]
ShowAll = Callable[[Sequence[Any]], Sequence[RecordShown]]


class FileQuery(Query):
    """Beside the filters of the list."""

    format: Literal["csv", "jsonl", "xlsx"] = "csv"


def record_file(
    what: str,
    rows: RecordList[Row],
    query: FileQuery,
    schema: type[RecordShown],
    show_all: ShowAll | None = None,
) -> Response:
    """The records of the list under the filters of `query`, with the names of what they belong to."""
    named = {related.key: f"{related.key}_name" for related in rows.loads}
    columns = [*_record_columns(schema), *named.values()]

    def shown() -> Iterator[JsonRow]:
        for part in every_page(lambda cursor, limit: list_rows(rows, query, Window(limit, cursor))):
            known = show_all(part) if show_all else [show(schema, row) for row in part]
            for row, values in zip(part, known, strict=True):
                names = {column: _name(getattr(row, key)) for key, column in named.items()}
                yield dict.fromkeys(columns) | json_of(values) | names
                db.session.expunge(row)

    return file_of(what, query.format, columns, shown())


def entry_file(
    what: str, query: FileQuery, schema: type[Readable], read: Callable[[str | None, int], Page[Any]]
) -> Response:
    """What `read` finds page by page, as `schema` shows it."""

    def shown() -> Iterator[JsonRow]:
        for part in every_page(read):
            for row in part:
                yield json_of(show(schema, row))
                db.session.expunge(row)

    return file_of(what, query.format, list(schema.model_fields), shown())


def _record_columns(schema: type[RecordShown]) -> list[str]:
    """Those of its kind first, then what all records have."""
    of_all = [*RecordShown.model_fields]
    own = [name for name in schema.model_fields if name not in of_all and name != "notice"]
    return ["id", *own, *(name for name in of_all if name != "id")]


def _name(related: AccountOwned | None) -> str | None:
    return None if related is None else getattr(related, "name", None) or getattr(related, "title", None)
