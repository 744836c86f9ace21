"""Files that wait between two steps of a form; only their sender can fetch them."""

import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.orm import Session

from app.business.accounts.upload_models import Upload
from app.business.errors import NotFound

KEPT_FOR = timedelta(hours=24)
KEPT_FOR_A_PERSON = 5
"""Files waiting for one person; beyond this the oldest is deleted."""
NAME_LIMIT = 64


@dataclass(frozen=True)
class Uploader:
    """Whose file it is and for which form: a file of one form cannot be used in another."""

    account_id: int
    user_id: int
    purpose: str


def pack(data: bytes) -> bytes:
    """The file as it is stored: compressed, which takes time and so is done before the transaction."""
    return zlib.compress(data, 1)


def unpack(packed: bytes) -> bytes:
    return zlib.decompress(packed)


def keep(session: Session, owner: Uploader, packed: bytes, now: datetime) -> str:
    """Store a packed file for a day. Returns the random name by which it is fetched."""
    name = f"{owner.purpose}-{secrets.token_urlsafe(24)}"
    session.add(
        Upload(
            account_id=owner.account_id,
            user_id=owner.user_id,
            name=name,
            data=packed,
            created_at=now,
            expires_at=now + KEPT_FOR,
        )
    )
    session.flush()
    mine = select(Upload.id).where(Upload.account_id == owner.account_id, Upload.user_id == owner.user_id)
    too_many = mine.order_by(Upload.id.desc()).offset(KEPT_FOR_A_PERSON)
    session.execute(delete(Upload).where(Upload.id.in_(session.scalars(too_many).all())))
    return name


def fetch(session: Session, owner: Uploader, name: str, now: datetime) -> bytes:
    """The packed file that `owner` stored under `name`. Raises NotFound after a day, and for everybody else."""
    packed = session.scalar(select(Upload.data).where(_is(owner, name), Upload.expires_at > now))
    if packed is None:
        raise NotFound()
    return packed


def take(session: Session, owner: Uploader, name: str) -> None:
    """Delete the file: only the caller who commits this first may use it. Raises NotFound for all others."""
    if session.scalar(delete(Upload).where(_is(owner, name)).returning(Upload.id)) is None:
        raise NotFound()


def any_expired(session: Session, now: datetime) -> bool:
    """Whether `delete_expired` has anything to do."""
    return bool(session.scalar(select(exists().where(Upload.expires_at <= now))))


def delete_expired(session: Session, now: datetime) -> None:
    """Delete files stored more than a day ago."""
    session.execute(delete(Upload).where(Upload.expires_at <= now))


def _is(owner: Uploader, name: str) -> ColumnElement[bool]:
    own_name = name if len(name) <= NAME_LIMIT and name.startswith(f"{owner.purpose}-") else ""
    return and_(
        Upload.name == own_name, Upload.account_id == owner.account_id, Upload.user_id == owner.user_id
    )
