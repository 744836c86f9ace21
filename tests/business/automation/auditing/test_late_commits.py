"""What a transaction commits late is counted as unaccounted, though later work has been counted before."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.events import EventBatch, EventType
from app.infrastructure.database import only_reading
from tests.business.automation.run_rows import make_rule

pytestmark = pytest.mark.both_databases


@pytest.fixture
def late(session: Session, account: Account) -> Iterator[Session]:
    """A transaction of somebody else, open until the test commits it."""
    session.commit()
    with Session(session.get_bind(), expire_on_commit=False) as other:
        yield other
        other.rollback()


def batch(account_id: int, closed_at: datetime) -> EventBatch:
    kind = EventType.KEYWORD_ADDED
    return EventBatch(account_id=account_id, type=kind, created_at=closed_at, closed_at=closed_at)


def counted(session: Session, account_id: int, now: datetime) -> int:
    with only_reading():
        found = unaccounted(session, account_id, now)
        session.rollback()
    return found


def test_a_batch_committed_after_later_ones_were_counted_is_found_at_once(
    session: Session, late: Session, account: Account, now: datetime
) -> None:
    id = account.id
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    session.rollback()
    early, later = now - timedelta(minutes=10), now - timedelta(minutes=5)
    if is_postgresql:
        late.add(batch(id, early))
        late.flush()
    # On SQLite writers take turns: who commits late has begun to write late too.
    session.add(batch(id, later))
    session.commit()
    assert counted(session, id, now) == 1
    session.execute(update(EventBatch).values(dispatched_at=later))
    session.commit()
    assert counted(session, id, now) == 0
    if not is_postgresql:
        late.add(batch(id, early))
        late.flush()
    assert counted(session, id, now + timedelta(hours=1)) == 0
    late.commit()
    assert counted(session, id, now) == 1


def test_a_schedule_switched_on_by_a_late_commit_is_held_to_the_times_it_was_due_since(
    session: Session, late: Session, account: Account, now: datetime
) -> None:
    id, on_at = account.id, now - timedelta(minutes=32)
    session.rollback()
    often = {"cron": "*/5 * * * *", "timezone": "UTC"}
    owner = late.get_one(Account, id)
    make_rule(late, owner, trigger="schedule", record_type="keyword", schedule=often, now=on_at)
    late.flush()
    assert counted(session, id, now) == 0
    late.commit()
    # Saving it wrote the rows of its first quarter of an hour.
    assert counted(session, id, now) == 2
