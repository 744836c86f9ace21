"""Whose rows somebody sees, and the one way to fetch a row by its id: always within an account and its sites."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, false, select, true
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.base import AccountOwned
from app.business.errors import NotFound

Owned = TypeVar("Owned", bound=AccountOwned)

LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Scope:
    """What somebody may see: the rows of an account, of some of its sites only where `sites` names them.

    Whoever is limited to sites sees no row that belongs to none, or to all: it tells of other sites too.
    """

    account_id: int
    sites: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.account_id, int):
            raise TypeError("rows can only be seen within an account")

    def sees(self, model: type[AccountOwned]) -> ColumnElement[bool]:
        """Clause of the rows of this kind; every list, count and fetch has it."""
        mine = model.account_id == self.account_id
        if self.sites is None:
            return mine
        site = model.site_column()
        return and_(mine, false() if site is None else self.is_seen(site))

    def is_seen(self, site: ColumnElement[int]) -> ColumnElement[bool]:
        """Clause: the site is one of those that are seen. Of a single one it is its number, by which a query is kept
        ready, as one with a list is not."""
        if self.sites is None:
            return true()
        return site == next(iter(self.sites)) if len(self.sites) == 1 else site.in_(sorted(self.sites))

    def within(self, site_ids: Sequence[int] | None) -> "Scope":
        """The same limited to these sites as well; None: no further limit."""
        if site_ids is None:
            return self
        sites = frozenset(site_ids)
        return Scope(self.account_id, sites if self.sites is None else sites & self.sites)

    def holds(self, site_id: int | None) -> bool:
        """Whether rows of this site are seen; None: of none, or of all."""
        return self.sites is None or site_id in self.sites


def scope_of(user: User) -> Scope:
    """What this person sees."""
    return Scope(user.account_id, None if user.site_ids is None else frozenset(user.site_ids))


def is_row_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ID


def owned(session: Session, model: type[Owned], id: int, scope: Scope) -> Owned:
    """The row. Raises NotFound, the same for a missing row and for one that is not to be seen."""
    return _found(session, id, select(model).where(model.id == id, scope.sees(model)))


def owned_and_locked(session: Session, model: type[Owned], id: int, scope: Scope) -> Owned:
    """Like `owned`, locked and reloaded; values read before may be outdated."""
    query = select(model).where(model.id == id, scope.sees(model)).with_for_update(key_share=True)
    return _found(session, id, query.execution_options(populate_existing=True))


def _found(session: Session, id: int, query: Select[Owned]) -> Owned:
    row = session.scalar(query) if 0 < id <= LARGEST_ID else None
    if row is None:
        raise NotFound()
    return row
