"""Which faults of the database pass by themselves: whoever meets one tries again, and counts it for nothing."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

PASSING_CLASSES = frozenset({"08", "40", "53", "55", "57"})
"""SQLSTATE classes of PostgreSQL: connection, rollback of a transaction, resources, object in use, operator."""
PASSING_NAMES = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_INTERRUPT")


def is_passing(error: BaseException) -> bool:
    """Whether the database was locked, away or short of something, or has undone a race: not our statement's fault."""
    if isinstance(error, TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    if state := getattr(error.orig, "sqlstate", None):
        return str(state)[:2] in PASSING_CLASSES
    if name := getattr(error.orig, "sqlite_errorname", None):
        return str(name).startswith(PASSING_NAMES)
    return isinstance(error, OperationalError)
