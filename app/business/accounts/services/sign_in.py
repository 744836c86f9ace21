"""Signing in: passwords are checked here, sessions begin and end here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pwdlib import PasswordHash
from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, User, UserSession, WelcomeLink
from app.business.accounts.services.passwords import HASHER, check_new_password, normal
from app.business.accounts.services.tokens import fingerprint, new_secret
from app.business.errors import NotFound
from app.business.kept_queries import KeptQuery, kept_queries

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=30)
CODE_WITHIN = timedelta(minutes=10)
"""How long after the password the code of a second factor may be given."""
SEEN_EVERY = timedelta(minutes=10)
MOVED_EVERY = timedelta(minutes=1)
"""How often the last use is recorded of a browser whose address changes."""


@dataclass(frozen=True)
class SignedIn:
    """A session with its user and account, read in one query."""

    session: UserSession
    user: User
    account: Account


def find_user(session: Session, email: str) -> User | None:
    """The user with this address who may sign in; None when unknown, switched off, or the account is closed."""
    return session.scalar(
        select(User)
        .join(Account, Account.id == User.account_id)
        .where(User.email == email.strip().lower(), User.is_active, Account.status != AccountStatus.CLOSED)
    )


def begin(
    session: Session,
    user: User,
    now: datetime,
    user_agent: str = "",
    address: str = "",
    *,
    is_waiting: bool = False,
    by_passkey: bool = False,
) -> str:
    """A new session for `user`; returns its token, of which only the hash is stored.

    is_waiting: it opens nothing, and only `find_waiting` finds it · by_passkey: a passkey proved who it is.
    """
    token = new_secret()
    session.add(
        UserSession(
            account_id=user.account_id,
            user_id=user.id,
            token_hash=fingerprint(token),
            created_at=now,
            seen_at=now,
            seen_from=address,
            user_agent=user_agent[:255],
            is_waiting=is_waiting,
            by_passkey=by_passkey,
        )
    )
    if not is_waiting:
        user.signed_in_at = now
    session.flush()
    return token


def find(session: Session, token: str, now: datetime) -> SignedIn | None:
    """The session of this token; None after 12 idle hours, 30 days, or when its person may not sign in."""
    return _found(session, _living(), token, {"seen_after": now - IDLE, "begun_after": now - LONGEST})


def find_waiting(session: Session, token: str, now: datetime) -> SignedIn | None:
    """The same of a session that waits for the second factor; None ten minutes after the password."""
    return _found(session, _waiting(), token, {"begun_after": now - CODE_WITHIN})


_OF_TOKEN = (
    select(UserSession, User, Account)
    .join(User, User.id == UserSession.user_id)
    .join(Account, Account.id == UserSession.account_id)
    .where(
        UserSession.token_hash == bindparam("token_hash"),
        UserSession.created_at > bindparam("begun_after"),
        User.is_active,
        Account.status != AccountStatus.CLOSED,
    )
)


@kept_queries(1)
def _living() -> Select[UserSession, User, Account]:
    """Kept, because every page asks it."""
    return _OF_TOKEN.where(~UserSession.is_waiting, UserSession.seen_at > bindparam("seen_after"))


@kept_queries(1)
def _waiting() -> Select[UserSession, User, Account]:
    return _OF_TOKEN.where(UserSession.is_waiting)


def _found(
    session: Session,
    query: KeptQuery[Select[UserSession, User, Account]],
    token: str,
    bounds: dict[str, datetime],
) -> SignedIn | None:
    row = query.loaded(session, {"token_hash": fingerprint(token), **bounds}).one_or_none()
    return SignedIn(*row) if row else None


def is_use_due(signed_in: UserSession, address: str, now: datetime) -> bool:
    """Whether the use of the session should be recorded again."""
    return now - signed_in.seen_at >= (SEEN_EVERY if signed_in.seen_from == address else MOVED_EVERY)


def keep_alive(session: Session, signed_in: UserSession, address: str, now: datetime) -> bool:
    """Record that the session is in use and from where, at most every ten minutes, or every minute where the address
    differs; returns whether anything was written."""
    if not is_use_due(signed_in, address, now):
        return False
    used = update(UserSession).where(UserSession.id == signed_in.id)
    session.execute(used.values(seen_at=now, seen_from=address))
    return True


def end(session: Session, token: str) -> None:
    """End the session of this browser."""
    session.execute(delete(UserSession).where(UserSession.token_hash == fingerprint(token)))


def end_one(session: Session, user: User, session_id: int) -> None:
    """End one of the person's sessions. Raises NotFound."""
    own = (UserSession.user_id == user.id, UserSession.id == session_id)
    if session.scalar(delete(UserSession).where(*own).returning(UserSession.id)) is None:
        raise NotFound()


def end_all(session: Session, user: User, *, but: UserSession | None = None) -> int:
    """End all of the person's sessions, except the one given; returns their number."""
    others = [UserSession.id != but.id] if but else []
    ended = delete(UserSession).where(UserSession.user_id == user.id, *others).returning(UserSession.id)
    return len(session.scalars(ended).all())


def sessions_of(session: Session, user: User, now: datetime) -> list[UserSession]:
    """The person's active sessions, the one used last first."""
    living = (
        ~UserSession.is_waiting,
        UserSession.seen_at > now - IDLE,
        UserSession.created_at > now - LONGEST,
    )
    query = select(UserSession).where(UserSession.user_id == user.id, *living)
    return list(session.scalars(query.order_by(UserSession.seen_at.desc(), UserSession.id.desc())))


def set_password(
    session: Session, user: User, password: str, now: datetime, hasher: PasswordHash = HASHER
) -> None:
    """Set a new password: every session ends and open sign-in links become invalid. Raises Invalid."""
    check_new_password(password, user.email)
    user.password_hash = hasher.hash(normal(password))
    user.updated_at = now
    session.execute(delete(WelcomeLink).where(WelcomeLink.user_id == user.id))
    end_all(session, user)
    session.flush()
