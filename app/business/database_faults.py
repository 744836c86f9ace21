"""Faults of the database that are not caused by our statement: their name, who can fix them, and when to retry.

Most pass by themselves or once somebody has repaired the machine: whoever meets one retries, and it is not counted as
a failure.
"""

import errno
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

LONGEST_LINE = 300


@dataclass(frozen=True)
class DatabaseFault:
    """`state`: of the database, for the log and the health page · `sentence`: for people · `advice`: for whoever runs
    the machine · `stops_all`: other statements fail as well.
    """

    state: str
    sentence: str
    advice: str
    retry_after: int = 10
    stops_all: bool = True


LOCKED = DatabaseFault(
    "locked",
    "The database is busy: another process has kept it locked for too long. Try again in 10 seconds.",
    "Another process keeps the database or some of its tables locked: a backup, a shell, or a copy of this console. "
    "End it.",
)
FULL = DatabaseFault(
    "full",
    "The disk of the database is full, so nothing can be saved; what is there can still be read. "
    "Whoever runs this machine must free space. Try again after that.",
    "Free space on the disk of the database. The console goes on by itself then.",
    retry_after=60,
)
READ_ONLY = DatabaseFault(
    "read-only",
    "The database can be read but not written at the moment. "
    "Whoever runs this machine must make it writable. Try again after that.",
    "Make the database writable: look at the permissions of its file, or at which server DATABASE_URL names.",
    retry_after=60,
)
CROWDED = DatabaseFault(
    "out of connections",
    "The database serves as many as it can at the moment. Try again in 5 seconds.",
    "Raise the limit of connections of the database server, or run fewer processes.",
    retry_after=5,
)
AWAY = DatabaseFault(
    "not answering",
    "The database does not answer. Try again in 10 seconds; "
    "if that does not help, whoever runs this machine must start it.",
    "Check that the database runs and that DATABASE_URL names it.",
)
FAULTY_DISK = DatabaseFault(
    "not readable",
    "The database cannot be read or written at the moment. "
    "Whoever runs this machine must look at its disk. Try again after that.",
    "Look at the disk of the database: the system reports errors when it is read or written.",
    retry_after=60,
)
WITHOUT_TABLES = DatabaseFault(
    "without its tables",
    "The tables of the database do not fit this version. "
    "Whoever runs this machine must update them. Try again after that.",
    "Stop the console, run “flask --app wsgi db upgrade”, and start it again.",
    retry_after=60,
    stops_all=False,
)
RACE = DatabaseFault(
    "in a deadlock",
    "Somebody changed the same thing at the same moment. Try again.",
    "",
    retry_after=1,
    stops_all=False,
)
FAULTS = (LOCKED, FULL, READ_ONLY, CROWDED, AWAY, FAULTY_DISK, WITHOUT_TABLES, RACE)

BY_SQLSTATE = {
    "53100": FULL,
    "53300": CROWDED,
    "55P03": LOCKED,
    "25006": READ_ONLY,
    "42P01": WITHOUT_TABLES,
    "42703": WITHOUT_TABLES,
    "3D000": AWAY,
    "28000": AWAY,
    "28P01": AWAY,
}
BY_SQLSTATE_CLASS = {"08": AWAY, "40": RACE, "53": CROWDED, "55": AWAY, "57": AWAY, "58": FAULTY_DISK}
"""Of PostgreSQL: connection, rollback of a transaction, resources, object in use, operator, system."""
BY_SQLITE_NAME = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_FULL": FULL,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_IOERR": FAULTY_DISK,
    "SQLITE_CANTOPEN": AWAY,
    "SQLITE_INTERRUPT": RACE,
}
BY_ERRNO = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY, errno.EACCES: READ_ONLY}


def fault_of(error: BaseException) -> DatabaseFault | None:
    """The fault behind `error`; None when it is about our statement, or not about the database."""
    if isinstance(error, TimeoutError):
        return CROWDED
    if not isinstance(error, DBAPIError):
        return None
    if state := str(getattr(error.orig, "sqlstate", None) or ""):
        by_state = BY_SQLSTATE.get(state) or BY_SQLSTATE_CLASS.get(state[:2])
        return by_state or (AWAY if error.connection_invalidated else None)
    if name := str(getattr(error.orig, "sqlite_errorname", None) or ""):
        return _of_sqlite(name, str(error.orig))
    return _of_connecting(error)


def _of_sqlite(name: str, text: str) -> DatabaseFault | None:
    if text.startswith(("no such table", "no such column")):
        return WITHOUT_TABLES
    return next((fault for prefix, fault in BY_SQLITE_NAME.items() if name.startswith(prefix)), None)


def _of_connecting(error: DBAPIError) -> DatabaseFault | None:
    """While a connection is being made, PostgreSQL's driver gives only a text."""
    if any(text in str(error.orig) for text in ("too many c", "connection slots are reserved")):
        return CROWDED
    is_lost = error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return AWAY if is_lost else None


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may work later: the database was locked, away, short of something, or undid a race."""
    fault = fault_of(error)
    return fault is not None and fault is not WITHOUT_TABLES


def stops_all(error: BaseException) -> bool:
    """Whether every other statement would meet the same fault."""
    fault = fault_of(error)
    return fault is not None and fault.stops_all


def in_one_line(error: BaseException) -> str:
    """Its kind and first line; never the statement, nor the values written."""
    return f"{type(_reported(error)).__name__}: {first_line(error)}"[:LONGEST_LINE]


def first_line(error: BaseException) -> str:
    """The database's message, without its kind."""
    return str(_reported(error)).strip().partition("\n")[0][:LONGEST_LINE].rstrip(".")


def _reported(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig else error
