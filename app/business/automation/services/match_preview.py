"""How many records conditions match right now, and which first: what the rule form shows while typing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.services.condition_query import matching
from app.business.automation.services.condition_tree import parse_conditions
from app.business.automation.services.record_models import MODELS, in_scope

SHOWN = 10


@dataclass(frozen=True)
class Matches:
    """`count` of `total` records in scope match; the oldest of them as (id, title)."""

    record_type: str
    count: int
    total: int
    first: list[tuple[int, str]]


def preview_matches(
    session: Session,
    *,
    account_id: int,
    record_type: str,
    conditions: Mapping[str, Any],
    site_id: int | None,
    sector_id: int | None,
    zone: ZoneInfo,
    now: datetime,
    shown: int = SHOWN,
) -> Matches:
    """Count and show; which of them a rule has handled already is left aside. Raises Invalid."""
    model = MODELS[record_type]
    node = parse_conditions(conditions, record_type=record_type)
    scope = in_scope(model, account_id, site_id, sector_id)
    clause = matching(node, record_type=record_type, account_id=account_id, now=now, zone=zone)
    rows = session.scalars(select(model).where(scope, clause).order_by(model.id).limit(shown)).all()
    return Matches(
        record_type,
        _count(session, model, scope, clause) if len(rows) == shown else len(rows),
        _count(session, model, scope),
        [(row.id, title_of(row)) for row in rows],
    )


def title_of(record: Any) -> str:
    """What people call a record: its title, name or text."""
    return str(next(getattr(record, name) for name in ("title", "name", "text") if hasattr(record, name)))


def _count(session: Session, model: Any, *clauses: Any) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*clauses)) or 0
