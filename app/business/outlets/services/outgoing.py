"""Claims messages that are due, and records the result of each attempt.

A worker claims one row with a token and a lease, sends it outside any transaction, and records the result only where
the row still has its token. If the worker is killed in between, the row is claimed again when its lease has expired:
delivery is at least once, and the receiver recognises a repetition by its id.
"""

import random
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import BaseModel, PlainSerializer
from sqlalchemy import ColumnElement, Select, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.business.base import RowValues
from app.business.events import wake
from app.business.outlets.outgoing_models import Outgoing, OutgoingStatus

DELIVERIES_QUEUE = "deliveries"
LEASE = timedelta(seconds=90)
"""Longer than one attempt may take."""
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
MOST_TRIES = len(DELAYS) + 1
LONGEST_RETRY_AFTER = DELAYS[-1]
JITTER = 0.2
LOG_KEPT = 10
CLAIMS_TRIED = 5
LONGEST_PAUSE = timedelta(minutes=10)
KEPT = timedelta(days=30)

Message = TypeVar("Message", bound=Outgoing)


def claim_next(session: Session, model: type[Message], now: datetime) -> Message | None:
    """Claim the message that has been due longest whose host no worker is sending to; None when there is none."""
    _release_expired(session, model, now)
    for _ in range(CLAIMS_TRIED):
        found = session.execute(_due(model, now).limit(1)).one_or_none()
        if found is None:
            return None
        if _claim(session, model, found.id, found.account_id, now):
            return session.get_one(model, found.id, populate_existing=True)
    return None


class SendAttempt(BaseModel):
    """One attempt as the log keeps it. status: of the answer, None where none came · message: why it failed."""

    at: Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]
    message: str = ""
    status: int | None = None
    answer: str = ""
    seconds: float = 0
    headers: dict[str, str] = {}


def lease(now: datetime) -> RowValues:
    """The columns of a claim."""
    return {"lease_token": secrets.token_hex(8), "lease_until": now + LEASE}


def hold(session: Session, model: type[Message], id: int, token: str) -> Message | None:
    """The message, locked, if the claim with that token is still valid; None if another worker has taken it over."""
    return session.scalar(
        select(model)
        .where(model.id == id, model.lease_token == token)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def note_attempt(row: Outgoing, attempt: SendAttempt) -> None:
    """Append the attempt to the log, which keeps the latest ones, and release the claim."""
    row.log = [*row.log, attempt.model_dump(mode="json", exclude_unset=True)][-LOG_KEPT:]
    row.lease_token = row.lease_until = None


def end(row: Outgoing, status: OutgoingStatus, now: datetime) -> None:
    """End it: no further attempts."""
    row.status, row.next_at, row.finished_at = status, None, now


def try_later(session: Session, row: Outgoing, now: datetime, retry_after: timedelta | None) -> bool:
    """Plan the next attempt; False when it was the last one."""
    if row.tries >= MOST_TRIES:
        return False
    delay = DELAYS[row.tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not cryptography
    asked = min(retry_after or timedelta(), LONGEST_RETRY_AFTER)
    row.next_at = now + max(delay, asked)
    wake_at(session, row.next_at)
    return True


def send_again(session: Session, row: Outgoing, now: datetime) -> bool:
    """Restart delivery with the same id; False if it is still pending."""
    model = type(row)
    changed = session.scalar(
        update(model)
        .where(model.account_id == row.account_id, model.id == row.id, model.status != OutgoingStatus.PENDING)
        .values(status=OutgoingStatus.PENDING, tries=0, next_at=now, finished_at=None)
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(row)
    if changed:
        wake(session, [DELIVERIES_QUEUE])
    return changed is not None


def hold_back(session: Session, row: Outgoing, failing_since: datetime, now: datetime) -> None:
    """Postpone the other messages to a failing host, with increasing delay; one message is tried in between."""
    model = type(row)
    pause = now + min(max(DELAYS[0], (now - failing_since) / 10), LONGEST_PAUSE)
    session.execute(
        update(model)
        .where(
            model.account_id == row.account_id,
            model.host == row.host,
            model.id != row.id,
            model.status == OutgoingStatus.PENDING,
            model.next_at < pause,
            model.lease_token.is_(None),
        )
        .values(next_at=pause)
        .execution_options(synchronize_session=False)
    )
    wake_at(session, pause)


def any_due(session: Session, models: Collection[type[Outgoing]], now: datetime) -> bool:
    """Whether a worker should be woken: a message is due, or the lease of one has expired."""
    for model in models:
        waiting = (model.status == OutgoingStatus.PENDING) & (model.next_at <= now)
        free = model.lease_token.is_(None) | _has_expired(model, now)
        if session.scalar(select(exists().where(waiting, free))):
            return True
    return False


def coming(
    session: Session, models: Collection[type[Outgoing]], now: datetime, until: datetime
) -> list[datetime]:
    """The instants after `now` at which messages become due."""
    found: set[datetime] = set()
    for model in models:
        query = select(model.next_at).where(model.status == OutgoingStatus.PENDING)
        found |= {
            at for at in session.scalars(query.where(model.next_at > now, model.next_at <= until)) if at
        }
    return sorted(found)


def wake_at(session: Session, at: datetime) -> None:
    """Wake a worker at that instant, after the commit."""
    session.info.setdefault("alarms", set()).add((at, DELIVERIES_QUEUE))


def _due(model: type[Message], now: datetime) -> Select[int, int]:
    other = aliased(model)
    is_busy = exists().where(other.host == model.host, other.lease_token.is_not(None))
    return (
        select(model.id, model.account_id)
        .where(model.status == OutgoingStatus.PENDING, model.next_at <= now, model.lease_token.is_(None))
        .where(or_(model.host.is_(None), ~is_busy))
        .order_by(model.next_at, model.id)
    )


def _claim(session: Session, model: type[Outgoing], id: int, account_id: int, now: datetime) -> bool:
    try:
        with session.begin_nested():
            return (
                session.scalar(
                    update(model)
                    .where(model.account_id == account_id, model.id == id)
                    .where(model.status == OutgoingStatus.PENDING, model.lease_token.is_(None))
                    .values(**lease(now), attempts=model.attempts + 1, tries=model.tries + 1)
                    .returning(model.id)
                    .execution_options(synchronize_session=False)
                )
                is not None
            )
    except IntegrityError:
        # Another worker has begun to send to this host concurrently.
        return False


def _release_expired(session: Session, model: type[Outgoing], now: datetime) -> None:
    silent = session.execute(select(model.id, model.account_id).where(_has_expired(model, now))).all()
    for id, account_id in silent:
        session.execute(
            update(model)
            .where(model.account_id == account_id, model.id == id, _has_expired(model, now))
            .values(lease_token=None, lease_until=None)
            .execution_options(synchronize_session=False)
        )


def _has_expired(model: type[Outgoing], now: datetime) -> ColumnElement[bool]:
    # A lease far in the future was written by a machine with a wrong clock.
    return model.lease_token.is_not(None) & (
        (model.lease_until < now) | (model.lease_until > now + 2 * LEASE)
    )
