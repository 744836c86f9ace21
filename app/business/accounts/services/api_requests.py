"""A request with an Idempotency-Key acts once: the key is written in the transaction of what the request does.

A second request waits for the first, finds the key, and gets the first answer.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import ApiRequest
from app.business.base import RowValues
from app.business.upsert import insert_new

KEPT_FOR = timedelta(days=2)
KEY_LIMIT = 255


def take(
    session: Session, account_id: int, user_id: int, key: str, fingerprint: str, now: datetime
) -> ApiRequest | None:
    """Use the key up; the earlier request where that was done before. Keys older than KEPT_FOR are deleted."""
    session.execute(
        delete(ApiRequest).where(ApiRequest.account_id == account_id, ApiRequest.created_at < now - KEPT_FOR)
    )
    values: RowValues = {
        "account_id": account_id,
        "user_id": user_id,
        "key": key,
        "fingerprint": fingerprint,
        "created_at": now,
    }
    taken = session.scalar(insert_new(session, ApiRequest, [values]).returning(ApiRequest.id))
    if taken is not None:
        return None
    mine = (ApiRequest.account_id == account_id, ApiRequest.user_id == user_id, ApiRequest.key == key)
    return session.scalars(select(ApiRequest).where(*mine)).one()


def note_answer(session: Session, account_id: int, user_id: int, key: str, sealed: str) -> None:
    """Record what is answered, in the transaction of what was done."""
    session.execute(
        update(ApiRequest)
        .where(ApiRequest.account_id == account_id, ApiRequest.user_id == user_id, ApiRequest.key == key)
        .values(sealed=sealed)
        .execution_options(synchronize_session=False)
    )
