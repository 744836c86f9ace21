"""Closed batches of events, written as an import writes them, and rules that cannot be parsed."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.events import EventBatch, EventType, Origin, close_batch, open_batch, record_events
from app.business.planner.models import Keyword, Sector
from tests.factories import NOW

UNREADABLE = {"field": "gone", "operator": "eq", "value": 1}
SEARCHED = {"field": "volume", "operator": "gte", "value": 100}


def import_many(
    session: Session, sector: Sector, count: int, *, now: datetime = NOW, name: str = "shoe"
) -> EventBatch:
    """A batch of `count` new keywords; every other one has a volume of 100."""
    place = {"account_id": sector.account_id, "site_id": sector.site_id, "sector_id": sector.id}
    stamps = {"status": "new", "status_since": now, "created_at": now, "updated_at": now}
    rows = [place | stamps | {"text": f"{name} {n}", "volume": 100 * (n % 2)} for n in range(count)]
    session.execute(insert(Keyword), rows)
    ids = session.scalars(select(Keyword.id).where(Keyword.text.startswith(f"{name} "))).all()
    return batch_of(session, sector, ids, now=now)


def batch_of(
    session: Session, sector: Sector, ids: Any, *, now: datetime = NOW, type: EventType = EventType.KEYWORD_ADDED,
    record_type: str = "keyword", data: dict[str, Any] | None = None,
) -> EventBatch:  # fmt: skip
    """A closed batch with an event of each of these records of the sector."""
    batch = open_batch(session, type, Origin(sector.account_id), now)
    event = {"site_id": sector.site_id, "sector_id": sector.id, "data": data}
    record_events(session, batch, record_type, [event | {"record_id": record_id} for record_id in ids])
    close_batch(session, batch, now)
    session.commit()
    return batch


def break_rule(session: Session, rule: AutomationRule) -> None:
    """Store what an older release may have left: a condition that is refused now."""
    _write_conditions(session, rule, UNREADABLE)


def mend_rule(session: Session, rule: AutomationRule, conditions: dict[str, Any]) -> None:
    """Save the rule as a person does."""
    _write_conditions(session, rule, conditions)


def _write_conditions(session: Session, rule: AutomationRule, conditions: dict[str, Any]) -> None:
    session.execute(update(AutomationRule).where(AutomationRule.id == rule.id).values(conditions=conditions))
    session.commit()
