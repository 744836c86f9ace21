"""Takes a whole table of keywords into a site, or nothing of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from app.business.errors import Invalid
from app.business.events import EventType, Origin
from app.business.folded_columns import folds_of, with_folded
from app.business.folding import fold, name_key
from app.business.planner.models import Keyword, Sector, Site
from app.business.planner.services.keyword_service import FIGURES, insert_keywords, new_keyword
from app.business.planner.services.keyword_table import KeywordRow, KeywordTable, RowError
from app.business.planner.services.plain_text import keyword_text
from app.business.planner.services.record_changes import KEYWORD, report
from app.business.planner.services.site_service import sector_named

ROWS_AT_ONCE = 1_000
NEW_SECTORS_LIMIT = 200

Place = tuple[str | None, str | None]
"""What a row says of its place: names of site and sector."""


@dataclass(frozen=True)
class ImportResult:
    """created + duplicates + rejected = data rows of the file; duplicates includes updated.

    A duplicate repeats an earlier row or a keyword of the site; `updated` are those whose figures changed.
    """

    created: int
    updated: int
    duplicates: int
    rejected: int
    errors: list[RowError]
    columns: dict[str, str]


@dataclass
class _Sorted:
    """The rows that can be placed, first of each keyword only, and what happened to the others.

    wanted: by site and folded keyword.
    """

    wanted: dict[tuple[int, str], tuple[Sector, KeywordRow]] = field(default_factory=dict)
    repeats: int = 0
    errors: list[RowError] = field(default_factory=list)


def import_keywords(
    session: Session,
    table: KeywordTable,
    *,
    site: Site | None,
    sector: Sector | None = None,
    origin: Origin,
    now: datetime,
    existing: Literal["update", "leave"] = "update",
) -> ImportResult:
    """Take every row that can be taken, with one batch of keyword_added events.

    `site` None: the table's site column names it; `sector` None: its sector column, else "General"; sectors
    are made when missing. Raises Invalid when neither a site nor a site column is there.
    """
    if site is None and "site" not in table.columns:
        raise Invalid({"site": ["Choose the site, or the column that names it."]})
    rows = _sort(session, table, site, sector, origin, now)
    known = _known(session, rows)
    new = [
        new_keyword(_Place(place), _text(place, row), _figures(row), origin, now)
        for key, (place, row) in rows.wanted.items()
        if key not in known
    ]
    added = insert_keywords(session, new)
    updated = _update(session, rows, known, now) if existing == "update" else 0
    report(session, EventType.KEYWORD_ADDED, KEYWORD, added, origin, now)
    errors = sorted(table.errors + rows.errors, key=lambda error: error.row)
    duplicates = rows.repeats + len(rows.wanted) - len(added)
    return ImportResult(len(added), updated, duplicates, len(errors), errors, table.columns)


class _Place:
    """A sector as plain values: reading them ten thousand times from the row itself is slow."""

    def __init__(self, sector: Sector) -> None:
        self.account_id, self.site_id, self.id = sector.account_id, sector.site_id, sector.id


def _sort(
    session: Session,
    table: KeywordTable,
    site: Site | None,
    sector: Sector | None,
    origin: Origin,
    now: datetime,
) -> _Sorted:
    sorted_rows = _Sorted()
    places = _places(session, table, site, sector, origin, now)
    for row in table.rows:
        place = places[_named_place(row)]
        if isinstance(place, str):
            sorted_rows.errors.append(RowError(row.row, place))
        elif (key := (place.site_id, fold(row.values["keyword"]))) in sorted_rows.wanted:
            sorted_rows.repeats += 1
        else:
            sorted_rows.wanted[key] = (place, row)
    return sorted_rows


def _text(place: Sector, row: KeywordRow) -> str:
    return keyword_text(row.typed, "keyword", language=place.site.language)


def _named_place(row: KeywordRow) -> Place:
    return row.values.get("site"), row.values.get("sector")


def _places(
    session: Session,
    table: KeywordTable,
    site: Site | None,
    sector: Sector | None,
    origin: Origin,
    now: datetime,
) -> dict[Place, Sector | str]:
    """The sector for each place that rows name, or the sentence why there is none."""
    named = dict.fromkeys(_named_place(row) for row in table.rows)
    if site and sector:
        return dict.fromkeys(named, sector)
    if len(named) > NEW_SECTORS_LIMIT:
        message = f"The column names {len(named):,} different sectors; at most {NEW_SECTORS_LIMIT} are taken."
        raise Invalid({"columns.sector": [f"{message} Is it the right column?"]})
    sites = {} if site else _sites_by_name(session, origin.account_id)
    places: dict[Place, Sector | str] = {}
    for site_name, sector_name in named:
        found = site or sites.get(name_key(site_name or ""))
        if found is None:
            message = f"There is no site “{site_name}”." if site_name else "The row names no site."
            places[site_name, sector_name] = message
        else:
            places[site_name, sector_name] = sector_named(session, found, sector_name, now=now)
    return places


def _sites_by_name(session: Session, account_id: int) -> dict[str, Site]:
    sites = session.scalars(select(Site).where(Site.account_id == account_id).order_by(Site.id.desc()))
    return {name_key(site.name): site for site in sites}


def _figures(row: KeywordRow) -> dict[str, Any]:
    return {name: value for name, value in row.values.items() if name in FIGURES}


def _known(session: Session, rows: _Sorted) -> dict[tuple[int, str], Any]:
    """The site's keywords that the file names again, with their figures."""
    columns = [getattr(Keyword, name) for name in FIGURES]
    known: dict[tuple[int, str], Any] = {}
    for site_id, texts in _chunks(rows):
        query = select(Keyword.id, Keyword.text, Keyword.text_key, *columns).where(
            Keyword.site_id == site_id, Keyword.text_key.in_(texts)
        )
        known |= {(site_id, found.text_key): found for found in session.execute(query)}
    return known


def _chunks(rows: _Sorted) -> Iterator[tuple[int, Sequence[str]]]:
    by_site: dict[int, list[str]] = {}
    for site_id, text in rows.wanted:
        by_site.setdefault(site_id, []).append(text)
    for site_id, texts in by_site.items():
        for start in range(0, len(texts), ROWS_AT_ONCE):
            yield site_id, texts[start : start + ROWS_AT_ONCE]


def _update(session: Session, rows: _Sorted, known: dict[tuple[int, str], Any], now: datetime) -> int:
    """Write the figures that differ; an empty cell keeps what is known. Returns how many keywords changed."""
    changes = []
    for key, found in known.items():
        figures = _figures(rows.wanted[key][1])
        if different := {name: value for name, value in figures.items() if getattr(found, name) != value}:
            changes.append({"id": found.id, "updated_at": now} | different)
    # Rows with the same fields stand together, so that they go out as one statement.
    changes.sort(key=lambda change: sorted(change))
    for names, alike in groupby(changes, key=lambda change: sorted(change)):
        _write(session, names, list(alike))
    return len(changes)


def _write(session: Session, names: Sequence[str], changes: Sequence[dict[str, Any]]) -> None:
    table = Keyword.__table__
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names if name != "id"}
    folds = {name: of for name, of in folds_of(table).items() if of in names}
    values |= {name: bindparam(f"new_{name}") for name in folds}
    statement = update(Keyword).where(table.c.id == bindparam("new_id"))
    session.connection().execute(
        statement.values(values | {"version": table.c.version + 1}),
        [
            {f"new_{name}": value for name, value in with_folded(Keyword, change).items()}
            for change in changes
        ],
    )
