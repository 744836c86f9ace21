"""Imports a whole table of keywords into a site in the caller's transaction, or nothing of it.

For small tables that nobody waits for; files that people send are written in parts (`import_parts`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.events import EventType, Origin
from app.business.planner.models import Sector, Site
from app.business.planner.services.import_file import prepare, read_rows, unpack_lines
from app.business.planner.services.import_parts import Destination, choices_for, require_site
from app.business.planner.services.import_writing import Target, make_ready, write_rows
from app.business.planner.services.keyword_rows import RowError
from app.business.planner.services.keyword_table import KeywordTable
from app.business.planner.services.record_changes import KEYWORD, report

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class ImportResult:
    """created + duplicates + rejected + left_out = rows of the file, the header apart; duplicates includes updated.

    A duplicate repeats an earlier row or a keyword of the site; `updated` are those whose figures changed.
    """

    created: int
    updated: int
    duplicates: int
    rejected: int
    left_out: int
    errors: list[RowError]
    columns: dict[str, str]


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
    """Import every acceptable row, with one batch of keyword_added events.

    `site` None: the table's site column names it; `sector` None: its sector column, else "General"; sectors
    are created when missing. Raises Invalid when there is neither a site nor a site column.
    """
    to = Destination(site, sector)
    require_site(to, table.columns)
    file = prepare(table, choices_for(session, Scope(origin.account_id), to))
    target = Target(origin.account_id, origin.user_id, sector.id if sector else None, existing)
    rows = make_ready(read_rows(unpack_lines(file.rows)), target, now)
    slices = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
    written = [write_rows(session, some, target, now) for some in slices]
    new = [row for part in written for row, _ in part.new]
    report(session, EventType.KEYWORD_ADDED, KEYWORD, new, origin, now)
    return ImportResult(
        created=len(new),
        updated=sum(part.updated for part in written),
        duplicates=file.repeats + sum(part.duplicates for part in written),
        rejected=len(file.errors),
        left_out=len(file.left_out),
        errors=file.errors,
        columns=file.columns,
    )
