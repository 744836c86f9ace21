"""Load the demo account, or replace it by a fresh one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.orm import Session

from app.demo.agency import close_agency, is_there
from app.demo.month import live

Transaction = Callable[[], AbstractContextManager[Session]]


def load_demo(transaction: Transaction, now: datetime) -> bool:
    """Create the demo account with its month of history, all or nothing; False when there is one.

    Takes some seconds, in one transaction: other processes see the account only when it is complete.
    """
    with transaction() as session:
        if is_there(session):
            return False
        _load(session, now)
    return True


def reset_demo(transaction: Transaction, now: datetime) -> None:
    """Close the demo account and create a fresh one. History is never deleted: the closed account keeps it."""
    with transaction() as session:
        close_agency(session, now)
        _load(session, now)


def _load(session: Session, now: datetime) -> None:
    live(session, now)
    # A month of wake-ups would be noise; `up` loads before its workers start, and their first look finds everything.
    session.info.pop("wake", None)
    session.info.pop("alarms", None)
