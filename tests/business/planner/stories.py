"""Shared by the planner's tests: who acts, which events were written, how records are placed."""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.events import Event, EventBatch, Origin
from app.business.planner.models import Sector
from tests.factories import make_account, make_sector, make_site


def person(sector: Sector) -> Origin:
    """Somebody of the sector's account, working by hand."""
    return Origin(account_id=sector.account_id)


def rule(sector: Sector, run_id: int = 7, unit_key: str = "r7-s0-1") -> Origin:
    """A unit of a run's step."""
    return Origin(account_id=sector.account_id, run_id=run_id, unit_key=unit_key)


def sector_of_new_account(session: Session, **site: Any) -> Sector:
    return make_sector(session, make_site(session, make_account(session), **site), name="Shoes")


def events(session: Session) -> Counter[tuple[str, str]]:
    """(event type, record type) -> how often."""
    query = select(EventBatch.type, Event.record_type).join(Event, Event.batch_id == EventBatch.id)
    return Counter((row[0], row[1]) for row in session.execute(query))


def closed_batches(session: Session, now: datetime) -> int:
    return len(session.scalars(select(EventBatch.id).where(EventBatch.closed_at == now)).all())
