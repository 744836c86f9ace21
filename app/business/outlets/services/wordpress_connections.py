"""The WordPress connection of a site. Its application password is stored encrypted and never shown again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.base import RowValues
from app.business.errors import Invalid
from app.business.outlets.site_publisher import PostStatus, SiteConnection
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.plain_characters import fault_of_line

MOST_CATEGORIES = 20
CATEGORY_LIMIT = 200
TEXTS = ("url", "username", "application_password", "author")
INNER_PATHS = ("/wp-json", "/wp-admin", "/wp-login.php", "/xmlrpc.php")
Seal = Callable[[str], str]


@dataclass(frozen=True)
class WordPressValues:
    """What is entered. `application_password`: None or empty keeps the one that is stored."""

    url: str
    username: str
    application_password: str | None = None
    default_status: PostStatus = "draft"
    categories: tuple[str, ...] = ()
    author: str = ""
    max_per_day: int | None = None


def find(session: Session, account_id: int, site_id: int) -> WordPressConnection | None:
    """The site's connection; None where it has none."""
    return session.scalar(
        select(WordPressConnection).where(
            WordPressConnection.account_id == account_id, WordPressConnection.site_id == site_id
        )
    )


def connected_sites(session: Session, account_id: int) -> set[int]:
    """Ids of the account's sites that have a connection."""
    return set(
        session.scalars(
            select(WordPressConnection.site_id).where(WordPressConnection.account_id == account_id)
        )
    )


def as_data(row: WordPressConnection) -> SiteConnection:
    """A copy that needs no session; the password stays encrypted."""
    return SiteConnection(
        id=row.id,
        version=row.version,
        url=site_address(row.url),
        username=row.username,
        password_sealed=row.password_sealed,
        default_status=cast(PostStatus, row.default_status),
        categories=tuple(row.categories),
        author=row.author,
    )


def site_address(url: str) -> str:
    """The normalised address of the front page; people also enter that of the login page."""
    parts = urlsplit(url.strip())
    path = parts.path
    for inner in INNER_PATHS:
        if (path + "/").find(inner + ("/" if "." not in inner else "")) >= 0:
            path = path[: path.find(inner)]
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path.rstrip('/')}"


def save(
    session: Session,
    account_id: int,
    site_id: int,
    actor: AuditActor,
    values: WordPressValues,
    *,
    seal: Seal,
    now: datetime,
) -> WordPressConnection:
    """Connect the site, or change its connection; the next post uses it. Raises Invalid."""
    row = find(session, account_id, site_id)
    _check(values, row)
    if row is None:
        row = WordPressConnection(
            account_id=account_id, site_id=site_id, password_sealed="", created_at=now, version=0
        )
        session.add(row)
    changed = _changes(row, values)
    for name, value in changed.items():
        setattr(row, name, value)
    if values.application_password:
        row.password_sealed = seal(values.application_password)
    if changed.keys() - {"max_per_day"} or values.application_password:
        row.tested_at = None
    row.updated_at, row.version = now, row.version + 1
    session.flush()
    data = {**changed, "site_id": site_id, "password": "changed" if values.application_password else "kept"}
    audit_log.record(session, account_id, actor, "wordpress.connected", row, data, now)
    return row


def remove(session: Session, row: WordPressConnection, actor: AuditActor, now: datetime) -> None:
    """Delete the connection and its password; posts stay as they are."""
    data = {"site_id": row.site_id, "url": row.url, "username": row.username}
    audit_log.record(session, row.account_id, actor, "wordpress.disconnected", row, data, now)
    session.execute(delete(WordPressConnection).where(WordPressConnection.id == row.id))


def note_test(session: Session, tested: SiteConnection, *, ok: bool, now: datetime) -> None:
    """Store when a test last succeeded, unless the connection was changed meanwhile."""
    session.execute(
        update(WordPressConnection)
        .where(WordPressConnection.id == tested.id, WordPressConnection.version == tested.version)
        .values(tested_at=now if ok else None)
        .execution_options(synchronize_session=False)
    )


def sealed_passwords(session: Session) -> Mapping[int, str]:
    """Every encrypted password by connection id, to be encrypted again with another secret."""
    query = select(WordPressConnection.id, WordPressConnection.password_sealed)
    return {row.id: row.password_sealed for row in session.execute(query)}


def replace_sealed(session: Session, connection_id: int, old: str, new: str) -> None:
    """Replace the encrypted password, unless it was changed meanwhile."""
    session.execute(
        update(WordPressConnection)
        .where(WordPressConnection.id == connection_id, WordPressConnection.password_sealed == old)
        .values(password_sealed=new)
        .execution_options(synchronize_session=False)
    )


def _check(values: WordPressValues, row: WordPressConnection | None) -> None:
    faults = {name: fault_of_line(getattr(values, name) or "") for name in TEXTS}
    faults["categories"] = next(filter(None, map(_fault_of_category, values.categories)), None)
    if len(values.categories) > MOST_CATEGORIES:
        faults["categories"] = f"Name at most {MOST_CATEGORIES} categories."
    if found := {name: [fault] for name, fault in faults.items() if fault}:
        raise Invalid(found)
    if values.application_password:
        return
    if row is None:
        raise Invalid({"application_password": ["Enter the application password."]})
    # Else a person who changes the address could have the stored password sent there.
    if _origin(row.url) != _origin(values.url):
        sentence = "Enter the password again: it was stored for another address."
        raise Invalid({"application_password": [sentence]})


def _fault_of_category(name: str) -> str | None:
    if not name.strip():
        return "A category needs a name."
    if len(name) > CATEGORY_LIMIT:
        return f"Use at most {CATEGORY_LIMIT} characters for a category."
    return fault_of_line(name)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url.strip())
    return parts.scheme.lower(), parts.netloc.lower()


def _changes(row: WordPressConnection, values: WordPressValues) -> RowValues:
    names = ("url", "username", "default_status", "author", "max_per_day")
    wanted: RowValues = {name: getattr(values, name) for name in names}
    wanted["categories"] = list(dict.fromkeys(name.strip() for name in values.categories))
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}
