"""The one way to fetch a row by its id: always within an account."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.base import AccountOwned
from app.business.errors import NotFound

Owned = TypeVar("Owned", bound=AccountOwned)

LARGEST_ID = 2**63 - 1


def is_row_id(value: object) -> bool:
    """Whether a row could have this id."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ID


def owned(session: Session, model: type[Owned], id: int, account_id: int) -> Owned:
    """The account's row. Raises NotFound, the same for a missing row and for another account's."""
    if not isinstance(account_id, int):
        raise TypeError("a row can only be fetched for an account")
    row = (
        session.scalar(select(model).where(model.id == id, model.account_id == account_id))
        if 0 < id <= LARGEST_ID
        else None
    )
    if row is None:
        raise NotFound()
    return row
