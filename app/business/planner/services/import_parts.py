"""The import of a keyword file: rows written in parts, one batch of events that closes with the last.

Each part is a transaction of the caller, who holds the import's operation (a fencing token): so two processes never
write the same rows, and when one dies anywhere another continues from the recorded position.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from time import monotonic

from pydantic import BaseModel
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.errors import Conflict, Invalid
from app.business.events import EventBatch, EventType, close_batch, open_batch
from app.business.folding import name_key
from app.business.planner.import_models import OPEN_STATES, ImportState, KeywordImport, KeywordImportRows
from app.business.planner.models import Sector, Site
from app.business.planner.services.import_file import FileChoices, ImportFile, SiteOfRow
from app.business.planner.services.import_writing import ReadyRow, Target, write_rows
from app.business.planner.services.record_changes import KEYWORD, add_events_of_new

OPEN_LIMIT = 5
"""Concurrent imports of one account: each keeps its rows in the database until it ends."""


@dataclass(frozen=True)
class Destination:
    """Where all rows of an import go; without a site the rows name it, without a sector too (or "General")."""

    site: Site | None = None
    sector: Sector | None = None


def sites_of(session: Session, scope: Scope) -> dict[str, SiteOfRow]:
    """The account's sites by the key of their names; of two with one name the older."""
    sites = session.scalars(select(Site).where(scope.sees(Site)).order_by(Site.id.desc()))
    return {name_key(site.name): (site.id, site.language) for site in sites}


def choices_for(
    session: Session,
    scope: Scope,
    to: Destination,
    *,
    columns: dict[str, str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> FileChoices:
    """How to read a file whose rows go there."""
    return FileChoices(
        columns or {},
        encoding,
        (to.site.id, to.site.language) if to.site else None,
        to.sector is not None,
        None if to.site else sites_of(session, scope),
        sheet,
        header_row,
    )


def require_site(to: Destination, columns: Mapping[str, str]) -> None:
    """Raises Invalid when no site is chosen and the file has no site column."""
    if to.site is None and "site" not in columns:
        raise Invalid({"site": ["Choose the site, or the column that names it."]})


def begin_import(
    session: Session,
    file: ImportFile,
    to: Destination,
    *,
    account_id: int,
    user_id: int | None,
    operation_id: int,
    existing: str,
    now: datetime,
) -> KeywordImport:
    """Create the import and store its rows; none is written yet. Raises Invalid, Conflict."""
    require_site(to, file.columns)
    open_ones = select(func.count(KeywordImport.id)).where(
        KeywordImport.account_id == account_id, KeywordImport.state.in_(OPEN_STATES)
    )
    if (session.scalar(open_ones) or 0) >= OPEN_LIMIT:
        raise Conflict(f"{OPEN_LIMIT} imports of this account are under way. Wait until one has ended.")
    begun = KeywordImport(
        account_id=account_id,
        user_id=user_id,
        operation_id=operation_id,
        site_id=to.site.id if to.site else None,
        sector_id=to.sector.id if to.sector else None,
        existing=existing,
        total=file.to_write,
        duplicates=file.repeats,
        rejected=len(file.errors),
        created_at=now,
    )
    session.add(begun)
    session.flush()
    session.add(KeywordImportRows(account_id=account_id, import_id=begun.id, data=file.rows))
    session.flush()
    return begun


def target_of(found: KeywordImport) -> Target:
    return Target(found.account_id, found.user_id, found.sector_id, found.existing)


def import_of(session: Session, operation_id: int) -> KeywordImport:
    """The import that the operation executes, as it is now."""
    query = select(KeywordImport).where(KeywordImport.operation_id == operation_id)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def stored_rows(session: Session, import_id: int) -> bytes:
    """The rows of an open import."""
    query = select(KeywordImportRows.data).where(KeywordImportRows.import_id == import_id)
    return session.scalars(query).one()


class ImportPart:
    """One transaction's part of an import: slices of rows, until the lock has been held for long enough."""

    def __init__(self, session: Session, found: KeywordImport, now: datetime) -> None:
        self.session, self.found, self.now = session, found, now
        self.rows = self.created = self.updated = self.duplicates = 0
        self.sectors: list[int] = []
        self.batch = session.get(EventBatch, found.batch_id) if found.batch_id else None

    def write(self, rows: Sequence[ReadyRow]) -> None:
        """Write one slice."""
        written = write_rows(self.session, rows, target_of(self.found), self.now)
        if written.new and self.batch is None:
            origin = target_of(self.found).origin
            self.batch = open_batch(self.session, EventType.KEYWORD_ADDED, origin, self.now)
        if self.batch:
            add_events_of_new(self.session, self.batch, KEYWORD, written.new)
        self.rows += len(rows)
        self.created += len(written.new)
        self.updated += written.updated
        self.duplicates += written.duplicates
        self.sectors += written.sectors

    def finish(self) -> bool:
        """Record what was written, and end the import with its last row. False where another process has taken over.

        The position is part of the condition: rows that another process has written are never counted twice.
        """
        found = self.found
        moved = self.session.execute(
            update(KeywordImport)
            .where(
                KeywordImport.id == found.id,
                KeywordImport.position == found.position,
                KeywordImport.state == ImportState.IMPORTING,
            )
            .values(
                position=KeywordImport.position + self.rows,
                created=KeywordImport.created + self.created,
                updated=KeywordImport.updated + self.updated,
                duplicates=KeywordImport.duplicates + self.duplicates,
                sectors=[*found.sectors, *self.sectors],
                batch_id=self.batch.id if self.batch else None,
            )
            .returning(KeywordImport.position)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if moved is not None and moved[0] == found.total:
            end_import(self.session, found, ImportState.DONE, self.now)
        return moved is not None


def end_import(session: Session, found: KeywordImport, state: ImportState, now: datetime) -> None:
    """Close its batch, so that rules receive its keywords, and delete its rows."""
    session.refresh(found)
    if found.batch_id and (batch := session.get(EventBatch, found.batch_id)):
        close_batch(session, batch, now)
    found.state, found.finished_at = state, now
    session.execute(delete(KeywordImportRows).where(KeywordImportRows.import_id == found.id))
    session.flush()


class ImportCounts(BaseModel):
    """created + duplicates + rejected = rows of the file (of one that is done); duplicates includes updated."""

    created: int
    updated: int
    duplicates: int
    rejected: int
    taken_back: int = 0
    left: int = 0
    sectors: int = 0


def counts_of(found: KeywordImport) -> ImportCounts:
    """What the import has come to so far."""
    return ImportCounts(
        created=found.created,
        updated=found.updated,
        duplicates=found.duplicates,
        rejected=found.rejected,
        taken_back=found.taken_back,
        left=found.left,
        sectors=len(found.sectors),
    )


@dataclass
class WritePace:
    """How many rows the next transaction writes, from the time that rows took in earlier ones (seconds).

    While a transaction writes, on SQLite everybody who saves has to wait, on PostgreSQL those who save one of its
    keywords. A few rows are written first: when they take longer than expected, fewer follow. The fixed cost of the
    statements is measured separately; otherwise a busy machine would get ever smaller and less efficient transactions.

    aim: the usual length of a transaction · most: its longest.
    """

    aim: float = 0.03
    """Seconds. Others compute meanwhile, so that one transaction in twenty takes about twice as long as planned."""
    most: float = 0.06
    timer: Callable[[], float] = monotonic
    rows: int = 3
    """Planned for the next transaction."""

    SMALLEST, FEW, LARGEST, FIRST_SHARE, REMEMBERED = 3, 20, 1000, 10, 5

    def __post_init__(self) -> None:
        self.began = self.last = self.held = 0.0
        self.slices: list[tuple[int, float]] = []
        self.costs: deque[tuple[float, float, float]] = deque(maxlen=self.REMEMBERED)

    def shorten(self, share: float) -> None:
        """Aim at so much of the usual length."""
        self.aim, self.most = share * self.aim, share * self.most

    def start(self) -> None:
        """The lock is held from now on."""
        self.began = self.last = self.timer()
        self.slices = []

    def next_slice(self) -> int:
        """The number of rows to write now; 0 when the transaction should end."""
        if not self.slices:
            return max(1, self.rows // self.FIRST_SHARE)
        if len(self.slices) > 1:
            return 0
        first, took = self.slices[0]
        row, per_slice, _ = self._usual()
        row_now = max(row, (took - per_slice) / first)
        fitting = int((self.most - took) / row_now) if row_now and self.costs else self.rows
        return min(self.rows - first, max(0, fitting, self._few() - first))

    def wrote(self, rows: int) -> None:
        """Record that a slice of `rows` was written."""
        now = self.timer()
        self.slices.append((rows, now - self.last))
        self.last = now

    def finish(self) -> None:
        """The lock is free again: plan the next transaction."""
        self.held = self.timer() - self.began
        if not self.slices:
            return
        row = self._cost_of_a_row()
        first, took = self.slices[0]
        around = self.held - row * sum(rows for rows, _ in self.slices)
        self.costs.append((row, max(0.0, took - first * row), max(0.0, around)))
        row, _, around = self._usual()
        room = max(self.aim - around, min(around, self.most - around))
        fitting = int(room / row) if row else self.LARGEST
        self.rows = min(max(self._few(), fitting), 2 * self.rows, self.LARGEST)

    def _few(self) -> int:
        """The minimum, lower only if rows were slow every time: one slow slice may just have waited for others."""
        is_cheap = self.costs and self.FEW * min(row for row, _, _ in self.costs) <= self.aim
        return self.FEW if is_cheap else self.SMALLEST

    def _cost_of_a_row(self) -> float:
        """Seconds per row, from the difference of two slices with the same statements."""
        (first, took), *more = self.slices
        if not more:
            return took / first
        others, took_too = more[0]
        least = (took_too - took) / (others - first) if others > first else took_too
        return min(max(0.0, least), took_too / others)

    def _usual(self) -> list[float]:
        """Of a row, of a slice without its rows, of all but the rows: a moment in which others compute changes none."""
        return [median(costs) for costs in zip(*self.costs, strict=True)] or [0.0, 0.0, 0.0]
