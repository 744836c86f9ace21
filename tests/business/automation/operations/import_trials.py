"""An import in small parts whose process dies, loses its lease or is cancelled at a chosen commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.operation_models import Operation, OperationState
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.keyword_import import KIND, ask_import, execute_import
from app.business.events import Event, EventBatch
from app.business.planner.import_models import KeywordImport, KeywordImportRows
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.import_file import read_import_file
from app.business.planner.services.import_parts import Destination, choices_for
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_account, make_keyword, make_sector, make_site

NEW, KNOWN = 40, 10
ROWS = 2 * KNOWN + NEW + 2


class Killed(BaseException):
    """The process is killed here, as by a power cut."""


@dataclass
class Trial:
    """One import. `at`: number of a commit (from 1) -> what happens right before and right after it."""

    session: Session
    sector: Sector
    operation: Operation
    machine: Machine
    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    after: dict[int, Callable[[], None]] = field(default_factory=dict)
    commits: int = 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        try:
            yield self.session
            self.commits += 1
            self.before.get(self.commits, _nothing)()
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise
        self.after.get(self.commits, _nothing)()

    def execute(self) -> bool:
        """Execute as a worker; False when it is killed meanwhile."""
        self.commits = 0
        try:
            lifecycle.execute_next(self.transaction, {KIND: execute_import}, self.machine.clock)
        except Killed:
            self.session.rollback()
            return False
        return True

    def heal(self) -> None:
        """The lease expires, the sweep takes the operation back."""
        silent = update(Operation).where(Operation.state == OperationState.RUNNING)
        self.session.execute(silent.values(lease_until=self.machine.now - timedelta(minutes=1)))
        lifecycle.rescue_operations(self.session, self.machine.now)
        self.session.commit()

    def cancel(self) -> None:
        self.session.refresh(self.operation)
        lifecycle.cancel_operation(self.session, self.operation, self.machine.now)
        self.session.commit()

    def found(self) -> KeywordImport:
        self.session.expire_all()
        query = select(KeywordImport).where(KeywordImport.operation_id == self.operation.id)
        return self.session.scalars(query).one()

    def count(self, column: Any, *where: Any) -> int:
        mine = column.class_.account_id == self.sector.account_id
        return self.session.scalar(select(func.count(column)).where(mine, *where)) or 0

    def wrong(self) -> list[str]:
        """What was lost, counted twice, or not delivered to rules exactly once."""
        found, operation = self.found(), self.operation
        counts = (found.created, found.duplicates, found.rejected, found.updated)
        facts = {
            "states": ((operation.state, found.state), ("done", "done")),
            "counts": (counts, (NEW, 2 * KNOWN, 2, KNOWN)),
            "keywords": (self.count(Keyword.id), NEW + KNOWN),
            "events": (self.count(Event.id), NEW),
            "open batches": (self.count(EventBatch.id, EventBatch.closed_at.is_(None)), 0),
            "batches": (self.count(EventBatch.id), 1),
            "kept rows": (self.count(KeywordImportRows.id), 0),
            "new sector": (len(found.sectors), 1),
            "result": ({**operation.result}.get("created"), NEW),
        }
        return [
            f"{name}: {is_} instead of {wanted}" for name, (is_, wanted) in facts.items() if is_ != wanted
        ]


def begin(session: Session) -> Trial:
    """A file of new keywords, of known ones (each twice), and of two rows that cannot be taken."""
    sector = make_sector(session, make_site(session, make_account(session)), name="Known")
    for number in range(KNOWN):
        make_keyword(session, sector, text=f"known {number}", volume=1)
    rows = [f"new {number},5,Fresh" for number in range(NEW)]
    for number in range(KNOWN):
        rows.insert(3 * number, f"known {number},7,Fresh")
    rows += [f"KNOWN {number},8,Fresh" for number in range(KNOWN)] + [",4,Fresh", ",5,Fresh"]
    data = "\n".join(["keyword,volume,sector", *rows]).encode()
    to = Destination(sector.site)
    file = read_import_file(data, choices_for(session, Scope(sector.account_id), to))
    operation = ask_import(
        session, file, to, account_id=sector.account_id, user_id=None, existing="update", here=False, now=NOW
    )
    session.commit()
    return Trial(session, sector, operation, Machine(session))


def kill() -> None:
    raise Killed


def _nothing() -> None:
    pass
