"""Writing some rows of an import: new keywords, figures of known ones, missing sectors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, any_, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.business.base import RowValues, Text, Values
from app.business.events import Origin
from app.business.folded_columns import folds_of, with_folded
from app.business.folding import fold
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.import_file import ImportRow
from app.business.planner.services.keyword_service import FIGURES, new_keyword
from app.business.planner.services.site_service import GENERAL
from app.business.row_sets import is_on_postgresql
from app.business.updates import table_of
from app.business.upsert import insert_many_new, insert_new

Key = tuple[int, str]
"""Site and folded keyword."""


@dataclass(frozen=True)
class Target:
    """Whose import it is and what it may do. sector_id: where all rows go; None: the rows name it."""

    account_id: int
    user_id: int | None
    sector_id: int | None
    existing: str

    @property
    def origin(self) -> Origin:
        """For the records that it makes."""
        return Origin(self.account_id, user_id=self.user_id)


@dataclass(frozen=True)
class Written:
    """The result for some rows. new: id and place of each keyword created, and the values it was created with ·
    sectors: ids of those created."""

    new: Sequence[tuple[Any, Values]]
    updated: int
    duplicates: int
    sectors: Sequence[int]


class ReadyRow(NamedTuple):
    """A row with all values of its keyword but the sector: built before the transaction, to keep that short.

    sector, place: the name of its sector, and site and fold of that name.
    """

    key: Key
    figures: Values
    sector: str
    place: Key
    values: Values


def make_ready(rows: Iterable[ImportRow], target: Target, now: datetime) -> list[ReadyRow]:
    """The rows in their order, with everything that can be computed before the transaction."""
    common: dict[int, RowValues] = {}
    ready = []
    for row in rows:
        if row.site_id not in common:
            common[row.site_id] = _common_values(row.site_id, target, now)
        own = with_folded(Keyword, {"text": row.text, **row.figures})
        values = {**common[row.site_id], **own, "text_key": own["text_folded"]}
        sector = row.sector or GENERAL
        ready.append(
            ReadyRow((row.site_id, row.key), row.figures, sector, (row.site_id, fold(sector)), values)
        )
    return ready


def write_rows(session: Session, rows: Sequence[ReadyRow], target: Target, now: datetime) -> Written:
    """Write the rows; an existing keyword is updated or left. The caller reports the new ones."""
    places, made = _sectors(session, rows, target, now)
    known = _known(session, [row.key for row in rows])
    new = [{**row.values, "sector_id": places[row.place]} for row in rows if row.key not in known]
    place = Keyword.id, Keyword.site_id, Keyword.sector_id, Keyword.text_key
    added = sorted(insert_many_new(session, Keyword, new, *place)) if new else []
    if len(added) < len(new):
        # Somebody else has added some of them since we looked.
        ours = {row.id for row in added}
        found = _known(session, [row.key for row in rows if row.key not in known])
        known |= {key: row for key, row in found.items() if row.id not in ours}
    updated = _update(session, rows, known, now) if target.existing == "update" else 0
    values = {(row["site_id"], row["text_key"]): row for row in new}
    made_from = [(row, values[row.site_id, row.text_key]) for row in added]
    return Written(made_from, updated, len(rows) - len(added), made)


class _Place:
    """Where a row goes, as `new_keyword` reads it."""

    def __init__(self, account_id: int, site_id: int) -> None:
        self.account_id, self.site_id, self.id = account_id, site_id, None


def _common_values(site_id: int, target: Target, now: datetime) -> RowValues:
    """Those of a new keyword of the site without figures."""
    place = _Place(target.account_id, site_id)
    return with_folded(Keyword, new_keyword(place, "", {}, target.origin, now))


def _sectors(
    session: Session, rows: Sequence[ReadyRow], target: Target, now: datetime
) -> tuple[dict[Key, int], list[int]]:
    """(site, folded name) -> sector, and the ids of those created."""
    wanted = {row.place: row.sector for row in rows}
    if target.sector_id is not None:
        return dict.fromkeys(wanted, target.sector_id), []
    places = _find_sectors(session, wanted)
    missing = [(key, name) for key, name in wanted.items() if key not in places]
    if not missing:
        return places, []
    stamps: RowValues = {"account_id": target.account_id, "created_at": now, "updated_at": now}
    new: list[RowValues] = [
        {"site_id": site, "name": name, "name_folded": folded, **stamps} for (site, folded), name in missing
    ]
    made = session.scalars(insert_new(session, Sector, new).returning(Sector.id)).all()
    return places | _find_sectors(session, [key for key, _ in missing]), list(made)


def _find_sectors(session: Session, wanted: Collection[Key]) -> dict[Key, int]:
    query = (
        select(Sector.site_id, Sector.name_folded, Sector.id)
        .where(
            Sector.site_id.in_({site for site, _ in wanted}),
            Sector.name_folded.in_({name for _, name in wanted}),
        )
        .order_by(Sector.id.desc())
        # Locked until our commit: a cancelled import may be deleting its empty sectors.
        .with_for_update(read=True, key_share=True)
    )
    found = {(site, name): id for site, name, id in session.execute(query)}
    return {key: id for key, id in found.items() if key in wanted}


def _known(session: Session, keys: Sequence[Key]) -> dict[Key, Any]:
    """The sites' existing keywords among these, with their figures."""
    columns = [getattr(Keyword, name) for name in FIGURES]
    known: dict[Key, Any] = {}
    for site_id in {site for site, _ in keys}:
        texts = [text for site, text in keys if site == site_id]
        query = select(Keyword.id, Keyword.text_key, *columns).where(
            Keyword.site_id == site_id, _is_among(session, texts)
        )
        known |= {(site_id, found.text_key): found for found in session.execute(query)}
    return known


def _is_among(session: Session, texts: Sequence[str]) -> ColumnElement[bool]:
    if is_on_postgresql(session):
        # One value: PostgreSQL takes longer to plan for thousands than to look for them.
        return Keyword.text_key == any_(literal(texts, ARRAY(Text())))
    return Keyword.text_key.in_(texts)


def _update(session: Session, rows: Sequence[ReadyRow], known: Mapping[Key, Any], now: datetime) -> int:
    """Write the figures that differ; an empty cell keeps the known value. Returns the number of keywords changed."""
    changes = []
    for row in rows:
        found = known.get(row.key)
        if found is None:
            continue
        figures = row.figures
        if different := {name: value for name, value in figures.items() if getattr(found, name) != value}:
            changes.append({"id": found.id, "updated_at": now} | different)
    # Rows with the same fields are grouped, so that they go out as one statement.
    changes.sort(key=lambda change: (sorted(change), change["id"]))
    for names, alike in groupby(changes, key=sorted):
        _write(session, names, list(alike))
    return len(changes)


def _write(session: Session, names: Sequence[str], changes: Sequence[RowValues]) -> None:
    table = table_of(Keyword)
    values: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in names if name != "id"}
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
