"""The people of an account and what they may do. An account never loses its last owner."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import available_timezones

from pwdlib import PasswordHash
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role, User
from app.business.accounts.services import passkeys
from app.business.accounts.services.api_keys import revoke_all
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.passwords import HASHER
from app.business.accounts.services.sign_in import end_all, set_password
from app.business.errors import Conflict, Invalid, NotFound

ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
LONGEST = 255


def create_account(
    session: Session,
    *,
    name: str,
    email: str,
    plan_id: int | None,
    timezone: str,
    now: datetime,
    password: str | None = None,
    is_demo: bool = False,
    hasher: PasswordHash = HASHER,
) -> tuple[Account, User]:
    """A new account with its owner; without a password the owner signs in by a link. Raises Invalid.

    Its credits come from billing: `new_accounts.open_account` is what commands call.
    """
    if not 0 < len(name.strip()) <= LONGEST:
        raise Invalid({"name": ["Give the account a name of at most 255 characters."]})
    check_timezone(timezone)
    account = Account(
        name=name.strip(), timezone=timezone, plan_id=plan_id, is_demo=is_demo, created_at=now, updated_at=now
    )
    session.add(account)
    session.flush()
    owner = add_user(session, account, email=email, name="", role=Role.OWNER, now=now)
    if password is not None:
        set_password(session, owner, password, now, hasher)
    return account, owner


def check_timezone(timezone: str) -> None:
    """Raises Invalid({"timezone": …}) for a zone this machine does not know."""
    if timezone not in available_timezones():
        raise Invalid(
            {"timezone": [f"“{timezone}” is no time zone. Use a name such as Europe/Berlin or UTC."]}
        )


def add_user(
    session: Session,
    account: Account,
    *,
    email: str,
    name: str,
    role: Role,
    now: datetime,
    most: int | None = None,
) -> User:
    """A new person without a password. Raises Invalid (address), Conflict when `most` are there already."""
    address = email.strip().lower()
    if len(address) > LONGEST or not ADDRESS.fullmatch(address):
        raise Invalid({"email": ["Enter an e-mail address such as mira@example.com."]})
    _lock(session, account.id)
    if session.scalar(select(User.id).where(User.email == address)):
        raise Invalid({"email": ["This address has a sign-in already. Use another one."]})
    if most is not None and len(_active(session, account.id)) >= most:
        raise Conflict(f"The plan has room for {most} people. Switch somebody off or take a larger plan.")
    user = User(
        account_id=account.id, email=address, name=name.strip(), role=role, created_at=now, updated_at=now
    )
    session.add(user)
    session.flush()
    return user


def people_of(session: Session, account_id: int) -> Sequence[User]:
    """Everyone of the account: active people first, then by address."""
    query = select(User).where(User.account_id == account_id)
    return session.scalars(query.order_by(User.is_active.desc(), User.email)).all()


def change_role(session: Session, user: User, role: Role, now: datetime) -> None:
    """Change the role; the person's sessions end, so the change takes effect at once. Owners see all sites.

    Raises Conflict.
    """
    _lock(session, user.account_id)
    if role != Role.OWNER:
        _keep_an_owner(session, user)
    if role == Role.OWNER:
        user.site_ids = None
    user.role, user.updated_at = role, now
    end_all(session, user)
    session.flush()


def limit_to_sites(
    session: Session, user: User, site_ids: Sequence[int] | None, *, may_approve: bool, now: datetime
) -> None:
    """Let the person see these sites only, or (None) all; it holds from their next request on. Raises Conflict."""
    _lock(session, user.account_id)
    session.refresh(user)
    if user.role == Role.OWNER and site_ids is not None:
        raise Conflict("An owner sees all sites. Give this person another role first.")
    user.site_ids = None if site_ids is None else sorted(set(site_ids))
    user.may_approve, user.updated_at = may_approve, now
    session.flush()


def deactivate(session: Session, user: User, actor: AuditActor, now: datetime) -> None:
    """Deactivate the person for good, revoke their keys and delete their passkeys; what they made stays.

    Raises Conflict.
    """
    _lock(session, user.account_id)
    _keep_an_owner(session, user)
    user.is_active, user.updated_at = False, now
    end_all(session, user)
    passkeys.remove_all(session, user)
    revoke_all(session, user, actor, now)
    session.flush()


def reactivate(session: Session, user: User, now: datetime, most: int | None = None) -> None:
    """Reactivate the person. Raises Conflict when `most` people are active already."""
    _lock(session, user.account_id)
    if most is not None and len(_active(session, user.account_id)) >= most:
        raise Conflict(f"The plan has room for {most} people. Switch somebody off or take a larger plan.")
    user.is_active, user.updated_at = True, now
    session.flush()


def person_with(session: Session, email: str) -> User:
    """The person with this address. Raises NotFound with the address."""
    user = session.scalar(select(User).where(User.email == email.strip().lower()))
    if user is None:
        raise NotFound(f"Nobody has the address {email}.")
    return user


def _lock(session: Session, account_id: int) -> None:
    """Two owners who remove each other at the same time must not both succeed."""
    session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))


def _active(session: Session, account_id: int) -> Sequence[int]:
    return session.scalars(select(User.id).where(User.account_id == account_id, User.is_active)).all()


def _keep_an_owner(session: Session, user: User) -> None:
    others = session.scalar(
        select(func.count(User.id)).where(
            User.account_id == user.account_id, User.id != user.id, User.is_active, User.role == Role.OWNER
        )
    )
    if not others and user.role == Role.OWNER:
        raise Conflict("This is the account's only owner. Make somebody else an owner first.")
