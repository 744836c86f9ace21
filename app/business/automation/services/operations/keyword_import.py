"""The import of a keyword file as an operation: written in parts, resumed after interruptions, undone when
cancelled."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.operation_models import ENDED, Operation, OperationState
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.lifecycle import (
    OperationCancelled,
    OperationLost,
    OperationRequest,
    Progress,
)
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.awaited_records import awaited_by_runs
from app.business.automation.services.transactions import Clock, Transaction
from app.business.collecting import collector_paused
from app.business.database_faults import is_passing
from app.business.planner.import_models import OPEN_STATES, ImportState, KeywordImport
from app.business.planner.models import Keyword
from app.business.planner.services.import_file import ImportFile, read_rows, unpack_lines
from app.business.planner.services.import_parts import (
    Destination,
    ImportPart,
    WritePace,
    begin_import,
    counts_of,
    end_import,
    import_of,
    stored_rows,
    target_of,
)
from app.business.planner.services.import_undo import Uses, start_taking_back, take_back_some
from app.business.planner.services.import_writing import ReadyRow, make_ready

KIND = "keyword_import"
ROWS_IN_REQUEST = 5_000
"""Up to this number of rows the request waits for the import; above, it shows the operation."""
ERRORS_KEPT = 200
READY_AT_ONCE = 1_000
REPEATS = 5
Answer = TypeVar("Answer")
PAUSE_AFTER_FAULT = 0.5
SHORTER = 0.7
"""Of the usual length of a transaction, on PostgreSQL: there its length varies more, because others write meanwhile."""

pause: Callable[[float], None] = time.sleep


def ask_import(
    session: Session,
    file: ImportFile,
    to: Destination,
    *,
    account_id: int,
    user_id: int | None,
    existing: str,
    here: bool,
    now: datetime,
) -> Operation:
    """Add the import and its operation. `here`: this process executes it. Raises Invalid, Conflict."""
    params: JsonObject = {
        "columns": {**file.columns},
        "errors": [[error.row, error.message] for error in file.errors[:ERRORS_KEPT]],
        "left_out": len(file.left_out),
        "lines_left_out": [[line.row, line.message] for line in file.left_out[:ERRORS_KEPT]],
        "repeats": file.repeats,
        "unread": {**file.unread},
        "notes": [[note.row, note.message] for note in file.notes],
        "unknown_columns": [*file.unknown_columns],
    }
    begin = lifecycle.begin_here if here else lifecycle.begin_operation
    rows = [] if to.site else read_rows(unpack_lines(file.rows))
    sites = {to.site.id} if to.site else {row.site_id for row in rows}
    operation = begin(
        session, account_id=account_id, kind=KIND, params=params, user_id=user_id, sites=sites, now=now
    )
    operation.total = file.to_write
    begin_import(
        session,
        file,
        to,
        account_id=account_id,
        user_id=user_id,
        operation_id=operation.id,
        existing=existing,
        now=now,
    )
    return operation


def execute_import(
    transaction: Transaction, asked: OperationRequest, progress: Progress, clock: Clock
) -> JsonObject:
    """Write the remaining rows, or undo a cancelled import. When executed again, it continues from its position."""
    with transaction() as session:
        found = import_of(session, asked.id)
        has_ended = found.state not in OPEN_STATES
        cancelled = progress.hold(session, found.position, gets_on=has_ended)
        if cancelled:
            start_taking_back(session, found)
        packed = b"" if has_ended else stored_rows(session, found.id)
        all_wait = session.get_bind().dialect.name == "sqlite"
    work = _Execution(transaction, progress, clock, found, all_wait)
    if found.state == ImportState.IMPORTING and not cancelled:
        work.write(unpack_lines(packed))
    state = work.take_back()
    with transaction() as session:
        result = {**counts_of(import_of(session, asked.id)).model_dump(), **asked.params}
    if state == ImportState.CANCELLED:
        raise OperationCancelled(result)
    return result


class _Execution:
    """One process's execution of an import, from `position` on. all_wait: nobody writes beside a transaction."""

    def __init__(
        self,
        transaction: Transaction,
        progress: Progress,
        clock: Clock,
        found: KeywordImport,
        all_wait: bool,
    ) -> None:
        self.transaction, self.progress, self.clock = transaction, progress, clock
        self.operation_id, self.position = found.operation_id, found.position
        self.target, self.total = target_of(found), found.total
        self.pace = WritePace()
        if not all_wait:
            self.pace.shorten(SHORTER)
        self.begin, self.ready = self.position, list[ReadyRow]()

    def write(self, lines: Sequence[bytes]) -> None:
        """Write the rows part by part, until all are written or the import is cancelled."""
        self._prepare(lines)
        while self._once(self._write_part):
            self.progress.hand_back_if_draining()
            if self.position == self.begin + len(self.ready):
                self._prepare(lines)

    def _prepare(self, lines: Sequence[bytes]) -> None:
        """Prepare the next rows outside of transactions; they begin at row `begin`."""
        self.begin = self.position
        some = lines[self.begin : self.begin + READY_AT_ONCE]
        self.ready = make_ready(read_rows(some), self.target, self.clock())

    def _write_part(self) -> bool:
        """One transaction. Returns whether there are rows left to write."""
        with collector_paused(), self.transaction() as session:
            cancelled = self.progress.hold(session, self.position, gets_on=True)
            self.pace.start()
            found = import_of(session, self.operation_id)
            position = found.position
            if cancelled:
                start_taking_back(session, found)
            elif position == self.position:
                part = ImportPart(session, found, self.clock())
                position += self._write_slices(part, self.ready[position - self.begin :])
            # Otherwise the previous part was committed, and only its confirmation was lost.
        self.pace.finish()
        self.position = position
        return not cancelled and position < self.total

    def _write_slices(self, part: ImportPart, rows: Sequence[ReadyRow]) -> int:
        while part.rows < len(rows) and (fitting := self.pace.next_slice()):
            some = rows[part.rows : part.rows + fitting]
            part.write(some)
            self.pace.wrote(len(some))
        if not part.finish():
            raise OperationLost
        return part.rows

    def take_back(self) -> str:
        """Undo a cancelled import part by part. Returns the import's final state."""
        while (state := self._once(self._take_back_part)) == ImportState.TAKING_BACK:
            self.progress.hand_back_if_draining()
        return state

    def _take_back_part(self) -> str:
        with collector_paused(), self.transaction() as session:
            self.progress.hold(session, self.position, gets_on=True)
            self.pace.start()
            found = import_of(session, self.operation_id)
            if found.state == ImportState.TAKING_BACK:
                undone = take_back_some(session, found, self.pace.rows, USES, self.clock())
                if undone:
                    self.pace.wrote(undone)
            state = found.state
        self.pace.finish()
        return state

    def _once(self, work: Callable[[], Answer]) -> Answer:
        """Execute the transaction, and repeat it after a lock or lost connection: nothing of it was written then."""
        for _ in range(REPEATS):
            try:
                return work()
            except Exception as error:
                if not is_passing(error):
                    raise
                pause(PAUSE_AFTER_FAULT)
        return work()


USES = Uses(
    lambda session, account_id, ids: awaited_by_runs(session, account_id, "keyword", ids),
    exists().where(
        RuleRecord.account_id == Keyword.account_id,
        RuleRecord.record_type == "keyword",
        RuleRecord.record_id == Keyword.id,
    ),
)
"""Keywords that rules have claimed, and those that runs are to work on."""


def settle_imports(session: Session, now: datetime) -> None:
    """End imports whose operation ended without them: their written rows are kept and reported to rules."""
    left_open = session.execute(
        select(KeywordImport, Operation)
        .join(Operation, Operation.id == KeywordImport.operation_id)
        .where(KeywordImport.state.in_(OPEN_STATES), Operation.state.in_(ENDED))
    ).all()
    for found, operation in left_open:
        cancelled = operation.state == OperationState.CANCELLED
        end_import(session, found, ImportState.CANCELLED if cancelled else ImportState.FAILED, now)
        operation.result = {**counts_of(found).model_dump(), **operation.params}


def any_to_settle(session: Session) -> bool:
    """Whether `settle_imports` has something to do."""
    ended = select(Operation.id).where(Operation.id == KeywordImport.operation_id, Operation.state.in_(ENDED))
    left_open = select(KeywordImport.id).where(KeywordImport.state.in_(OPEN_STATES), ended.exists())
    return session.scalar(left_open.limit(1)) is not None
