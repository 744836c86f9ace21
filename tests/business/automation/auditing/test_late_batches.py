"""Batches of events are counted anew each time: one that is committed late is found, whatever was counted before."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.events import EventBatch


@pytest.mark.both_databases
def test_a_batch_committed_after_later_ones_is_counted(
    session: Session, account: Account, now: datetime
) -> None:
    """Its writer took its id and its time first, and was slow."""
    about = {"account_id": account.id, "type": "keyword_added"}
    early, later = now - timedelta(minutes=10), now - timedelta(minutes=5)
    session.add(EventBatch(**about, id=2000, created_at=later, closed_at=later, dispatched_at=later))
    session.commit()
    assert unaccounted(session, account.id, now) == 0
    session.add(EventBatch(**about, id=1000, created_at=early, closed_at=early))
    session.commit()
    assert unaccounted(session, account.id, now + timedelta(minutes=1)) == 1
