"""A form that starts something does so once: each page that shows it gives it a key, and a key is used once.

The key is written in the transaction of what the form does. A second submission waits for the first, finds the key,
and is redirected to where the first one led.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import FormRequest
from app.business.base import RowValues
from app.business.upsert import insert_missing

KEPT_FOR = timedelta(days=2)
KEY_LIMIT = 64


def new_key() -> str:
    return secrets.token_urlsafe(16)


def take(session: Session, account_id: int, user_id: int, key: str, now: datetime) -> bool:
    """Use the key up; False where that was done before. Keys older than KEPT_FOR are deleted."""
    session.execute(
        delete(FormRequest).where(
            FormRequest.account_id == account_id, FormRequest.created_at < now - KEPT_FOR
        )
    )
    mine: RowValues = {"account_id": account_id, "user_id": user_id, "key": key}
    before = session.scalar(select(FormRequest.id).where(_is(account_id, key)))
    if before is not None:
        return False
    marker = secrets.token_hex(8)
    insert_missing(session, FormRequest, mine | {"location": marker, "created_at": now})
    taken = session.scalar(select(FormRequest.location).where(_is(account_id, key)))
    return taken == marker


def note_answer(session: Session, account_id: int, key: str, location: str) -> None:
    """Record where the form led."""
    session.execute(update(FormRequest).where(_is(account_id, key)).values(location=location[:2000]))


def release(session: Session, account_id: int, key: str) -> None:
    """The form was refused: the person may correct it and send it again."""
    session.execute(delete(FormRequest).where(_is(account_id, key)))


def answer_of(session: Session, account_id: int, key: str) -> str:
    """Where the first submission led; empty while that is not known."""
    location = session.scalar(select(FormRequest.location).where(_is(account_id, key))) or ""
    return location if location.startswith("/") else ""


def _is(account_id: int, key: str) -> ColumnElement[bool]:
    return and_(FormRequest.account_id == account_id, FormRequest.key == key)
