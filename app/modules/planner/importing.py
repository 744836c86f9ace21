"""Importing for pages and REST: read the file without a transaction, then write it part by part."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.keyword_import import ask_import, execute_import
from app.business.planner.services.import_file import ImportFile
from app.business.planner.services.import_parts import Destination, choices_for
from app.infrastructure.database import db, only_reading, transaction
from app.infrastructure.file_reader import read_in_bounds
from app.modules.access import current_person


@dataclass(frozen=True)
class Corrections:
    """What a person or a program says about a file; None: as it is recognised."""

    columns: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None


NOTHING_CORRECTED = Corrections()


def read_sent(data: bytes, to: Destination, corrections: Corrections = NOTHING_CORRECTED) -> ImportFile:
    """Read and check an uploaded file. Ends the open transaction: reading may take its time.

    Raises Invalid, TooLarge, Busy.
    """
    with only_reading():
        scope = current_person().scope
        choices = choices_for(db.session(), scope, to, **vars(corrections))
        db.session.commit()
    return read_in_bounds(data, choices)


def begin(file: ImportFile, to: Destination, existing: str, *, here: bool) -> Operation:
    """Commit the import, and with `here` execute it to its end: the row then says how it ended.

    An answer that fails after that undoes nothing; the operation's page shows the result.
    Raises Invalid, Conflict.
    """
    person = current_person()
    operation = ask_import(
        db.session(),
        file,
        to,
        account_id=person.account.id,
        user_id=person.user.id,
        existing=existing,
        here=here,
        now=datetime.now(UTC),
    )
    db.session.commit()
    if here:
        _execute(operation)
    return operation


def _execute(operation: Operation) -> None:
    lifecycle.execute_here(transaction, operation, execute_import, lambda: datetime.now(UTC))
    with only_reading():
        db.session.refresh(operation)
        db.session.commit()
