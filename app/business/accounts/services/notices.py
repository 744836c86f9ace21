"""Messages to the account's people, shown in the console."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, or_, select, true, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice, Role, User
from app.business.accounts.services.notice_choices import Reader, is_wanted_by
from app.business.accounts.services.scope import is_row_id
from app.business.base import RowValues, UtcDateTime
from app.business.errors import NotFound
from app.business.paging import Page, keyset_page
from app.business.upsert import upsert

ALL: ColumnElement[bool] = true()


def add_notice(  # noqa: PLR0913 - the columns of one row
    session: Session,
    *,
    account_id: int,
    level: str,
    title: str,
    body: str,
    now: datetime,
    key: str | None = None,
    user_id: int | None = None,
    role: Role | None = None,
    run_id: int | None = None,
    rule_id: int | None = None,
    incident_id: int | None = None,
    kind: str = "attention",
    about_site_id: int | None = None,
) -> None:
    """Notify one user, all from `role` upward, or (neither given) everyone; a known `key` renews its notice."""
    said: RowValues = {
        "level": level,
        "title": title[:255],
        "body": body,
        "run_id": run_id,
        "created_at": now,
    }
    about: RowValues = {
        "rule_id": rule_id,
        "incident_id": incident_id,
        "kind": kind,
        "about_site_id": about_site_id,
    }
    upsert(
        session,
        Notice,
        {"account_id": account_id, "key": key, "user_id": user_id, "role": role} | about | said,
        unique=["account_id", "key"],
        change=said | {"read_at": None},
    )


def notice_of(session: Session, account_id: int, key: str) -> Notice | None:
    """The account's notice of that key, read or not."""
    return session.scalar(select(Notice).where(Notice.account_id == account_id, Notice.key == key))


def notices_by_key(session: Session, account_id: int, keys: Collection[str]) -> dict[str, Notice]:
    """The account's notices of those keys, read or not, in one query."""
    found = session.scalars(_BY_KEY, {"account_id": account_id, "keys": list(keys)})
    return {notice.key or "": notice for notice in found}


_BY_KEY = select(Notice).where(
    Notice.account_id == bindparam("account_id"), Notice.key.in_(bindparam("keys", expanding=True))
)


def mark_settled(session: Session, key: str, now: datetime, *, still: Collection[int]) -> None:
    """Mark notices of `key` as read in all accounts except `still`: their cause is over."""
    session.execute(
        update(Notice)
        .where(Notice.key == key, Notice.read_at.is_(None), Notice.account_id.not_in(list(still)))
        .values(read_at=now)
    )


def settle_notice(session: Session, account_id: int, key: str, now: datetime) -> None:
    """The cause of this notice is over: mark it as read, and free its key for the next time."""
    session.execute(
        update(Notice)
        .where(Notice.account_id == account_id, Notice.key == key)
        .values(read_at=func.coalesce(Notice.read_at, now, type_=UtcDateTime()), key=None)
    )


def settle_notices_below(session: Session, account_id: int, key: str, now: datetime) -> None:
    """The same for this notice and those with the same key for single people."""
    mine = or_(Notice.key == key, Notice.key.startswith(f"{key}-", autoescape=True))
    session.execute(
        update(Notice)
        .where(Notice.account_id == account_id, mine)
        .values(read_at=func.coalesce(Notice.read_at, now, type_=UtcDateTime()), key=None)
    )


def notices_page(
    session: Session,
    user: User,
    *,
    seen: ColumnElement[bool] = ALL,
    read: bool | None = None,
    level: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
    oldest: bool = False,
) -> Page[Notice]:
    """Part of the person's notices, newest first or oldest first. Raises Invalid for a damaged cursor."""
    query = select(Notice).where(_meant_for(user), seen)
    if read is not None:
        query = query.where(Notice.read_at.is_not(None) if read else Notice.read_at.is_(None))
    if level:
        query = query.where(Notice.level == level)
    keys = [Notice.created_at, Notice.id]
    return keyset_page(session, query, keys=keys, cursor=cursor, limit=limit, oldest=oldest)


def found(session: Session, user: User, id: int, *, seen: ColumnElement[bool] = ALL) -> Notice:
    """One of the person's notices. Raises NotFound."""
    query = select(Notice).where(Notice.id == id, _meant_for(user), seen)
    notice = session.scalar(query) if is_row_id(id) else None
    if notice is None:
        raise NotFound()
    return notice


def notices_since(
    session: Session, user: User, since: datetime, *, seen: ColumnElement[bool] = ALL
) -> Sequence[Notice]:
    """What the person was told since then, oldest first."""
    query = select(Notice).where(_meant_for(user), seen, Notice.created_at > since)
    return session.scalars(query.order_by(Notice.created_at, Notice.id)).all()


def unread_notices(session: Session, user: User, *, seen: ColumnElement[bool] = ALL) -> int:
    """Unread notice count."""
    return session.scalar(select(unread_clause(user, seen))) or 0


def unread_clause(user: User | Reader, seen: ColumnElement[bool] = ALL) -> ColumnElement[int]:
    """The same as a subquery, for those who count more at once."""
    query = select(func.count(Notice.id)).where(_meant_for(user), Notice.read_at.is_(None), seen)
    return query.scalar_subquery()


def mark_read(
    session: Session,
    user: User,
    now: datetime,
    notice_id: int | None = None,
    *,
    seen: ColumnElement[bool] = ALL,
) -> None:
    """Mark one of the person's notices as read, or all of them."""
    which = [Notice.id == notice_id] if notice_id is not None else []
    session.execute(
        update(Notice).where(_meant_for(user), Notice.read_at.is_(None), seen, *which).values(read_at=now)
    )


def _meant_for(user: User | Reader) -> ColumnElement[bool]:
    roles = [role for role in Role if Role(user.role).allows(role)]
    return (
        (Notice.account_id == user.account_id)
        & or_(Notice.user_id.is_(None), Notice.user_id == user.id)
        & or_(Notice.role.is_(None), Notice.role.in_(roles))
        & is_wanted_by(user)
    )
