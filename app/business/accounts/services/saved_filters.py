"""Filters that people keep: their own, and those that others share in the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.saved_filter_models import SavedFilter
from app.business.base import RowValues
from app.business.errors import Forbidden, Invalid, NotFound
from app.business.folding import fold
from app.business.upsert import upsert

MOST = 50
"""Filters of one person for one page."""
LONGEST_QUERY = 2000


@dataclass(frozen=True)
class Kept:
    """A filter as the menu shows it. author: who shares it; empty for one's own · may_remove: by this person."""

    id: int
    name: str
    query: str
    is_shared: bool
    author: str
    may_remove: bool


_SEEN = (
    select(SavedFilter, func.coalesce(func.nullif(User.name, ""), User.email))
    .join(User, User.id == SavedFilter.user_id)
    .where(
        SavedFilter.account_id == bindparam("account_id"),
        SavedFilter.page == bindparam("page"),
        or_(SavedFilter.user_id == bindparam("user_id"), SavedFilter.is_shared),
    )
)


def saved_filters(session: Session, user: User, page: str) -> Sequence[Kept]:
    """The person's own filters and those shared with them, by name."""
    found = session.execute(_SEEN, {"account_id": user.account_id, "user_id": user.id, "page": page})
    return [
        Kept(
            row.id,
            row.name,
            row.query,
            row.is_shared,
            "" if row.user_id == user.id else name,
            _may_remove(user, row),
        )
        for row, name in sorted(found, key=lambda pair: (fold(pair[0].name), pair[0].id))
    ]


def save_filter(
    session: Session, user: User, page: str, name: str, query: str, *, is_shared: bool, now: datetime
) -> None:
    """Keep it under the name; one's own of that name is replaced. Raises Invalid, Forbidden."""
    if is_shared and not Role(user.role).allows(Role.OPERATOR):
        raise Forbidden("Viewers keep filters for themselves; operators and above share them.")
    if len(query) > LONGEST_QUERY:
        raise Invalid({"name": ["This filter is too long to be kept."]})
    mine = (
        SavedFilter.account_id == user.account_id,
        SavedFilter.user_id == user.id,
        SavedFilter.page == page,
    )
    others = session.scalar(
        select(func.count()).select_from(SavedFilter).where(*mine, SavedFilter.name != name)
    )
    if (others or 0) >= MOST:
        raise Invalid({"name": [f"You keep {MOST} filters already. Remove one first."]})
    row: RowValues = {
        "account_id": user.account_id, "user_id": user.id, "page": page, "name": name, "query": query,
        "is_shared": is_shared, "created_at": now,
    }  # fmt: skip
    change: RowValues = {"query": query, "is_shared": is_shared}
    upsert(session, SavedFilter, row, unique=("account_id", "user_id", "page", "name"), change=change)


def remove_filter(session: Session, user: User, row: SavedFilter) -> None:
    """Remove one's own, or as an editor a shared one. Another's own is no row at all. Raises NotFound, Forbidden."""
    if row.user_id != user.id and not row.is_shared:
        raise NotFound()
    if not _may_remove(user, row):
        raise Forbidden("Who shares a filter removes it, or an editor.")
    session.execute(
        delete(SavedFilter).where(SavedFilter.account_id == user.account_id, SavedFilter.id == row.id)
    )


def _may_remove(user: User, row: SavedFilter) -> bool:
    return row.user_id == user.id or (row.is_shared and Role(user.role).allows(Role.EDITOR))
