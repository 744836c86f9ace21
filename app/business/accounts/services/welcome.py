"""One-use sign-in links, for people who have no password yet or have forgotten it."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role, User, WelcomeLink
from app.business.accounts.services.tokens import fingerprint, new_secret

VALID_FOR = timedelta(days=7)


def issue_link(session: Session, now: datetime) -> str | None:
    """A token for an owner without a password: of the newest account, a real one before the demo's.

    None when every owner has a password. Older tokens of that owner become invalid.
    """
    owner = session.scalar(
        select(User)
        .join(Account, Account.id == User.account_id)
        .where(
            User.role == Role.OWNER,
            User.is_active,
            User.password_hash.is_(None),
            Account.status == AccountStatus.ACTIVE,
        )
        .order_by(Account.is_demo, Account.id.desc(), User.id)
        .limit(1)
    )
    return issue_for(session, owner, now) if owner else None


def issue_for(session: Session, user: User, now: datetime) -> str:
    """A new token for `user`; older ones become invalid."""
    session.execute(delete(WelcomeLink).where(WelcomeLink.user_id == user.id))
    token = new_secret()
    session.add(
        WelcomeLink(
            account_id=user.account_id,
            user_id=user.id,
            token_hash=fingerprint(token),
            created_at=now,
            expires_at=now + VALID_FOR,
        )
    )
    session.flush()
    return token


def find_user(session: Session, token: str, now: datetime) -> User | None:
    """The person of this token, without using it up; None when it is unknown, used or expired."""
    link = select(WelcomeLink.user_id).where(_is_usable(token, now))
    return session.scalar(select(User).where(User.id.in_(link), User.is_active))


def redeem(session: Session, token: str, now: datetime) -> User | None:
    """The person of this token, which is used up; None when it is unknown, used or expired."""
    user_id = session.execute(
        update(WelcomeLink).where(_is_usable(token, now)).values(used_at=now).returning(WelcomeLink.user_id)
    ).scalar_one_or_none()
    if user_id is None:
        return None
    return session.scalar(select(User).where(User.id == user_id, User.is_active))


def _is_usable(token: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        WelcomeLink.token_hash == fingerprint(token),
        WelcomeLink.used_at.is_(None),
        WelcomeLink.expires_at > now,
    )
