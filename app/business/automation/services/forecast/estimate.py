"""Estimates the use of a rule with little history: from prices, waiting records, and the rate of new records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.calendars.closed_times import ALWAYS_OPEN, ClosedRule
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.rules.cost import about_credits, most_per_run, most_runs_per_day
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.runs.record_selection import eligible


@dataclass(frozen=True)
class UseEstimate:
    """per_day: credits per due day · waiting: credits for records that wait already · most: upper bound per day."""

    per_day: float
    waiting: float
    most: float


def estimate_use(
    session: Session,
    account_id: int,
    definition: RuleDefinition,
    due: Sequence[float],
    *,
    since: datetime,
    zone: ZoneInfo,
    now: datetime,
    connected: bool,
    times: ClosedRule = ALWAYS_OPEN,
) -> UseEstimate:
    """Estimate from the records that match now; those since `since` give the rate.

    `due`: share of each day since then · connected: to an AI service, whose work has other prices · times: how its
    planned times follow their calendar.
    """
    per_run = most_per_run(definition, connected=connected)
    most_runs = most_runs_per_day(definition, now, times)
    most = per_run * most_runs
    if definition.record_type is None:
        return UseEstimate(most if definition.trigger == "schedule" else per_run, 0, most)
    came, waiting = _counts(session, account_id, definition, since, zone, now)
    about = about_credits(definition, came, connected=connected)
    per_day = min(about / max(sum(due), 1), most)
    if definition.trigger != "schedule":
        return UseEstimate(per_day, 0, most)
    return UseEstimate(per_day, about_credits(definition, waiting, connected=connected), most)


def _counts(
    session: Session,
    account_id: int,
    definition: RuleDefinition,
    since: datetime,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[int, int]:
    """The number of matching records since then, and of those the rule would take now; one query."""
    record_type = definition.record_type or ""
    model = MODELS[record_type]
    came_at = model.status_since if definition.trigger == "status_changed" else model.created_at
    node = parse_conditions(definition.conditions, record_type=record_type)
    account_zone = session.get_one(Account, account_id).timezone
    scope = RuleScope(account_id, definition.site, definition.sector, account_zone=account_zone)
    matches = and_(
        in_scope(model, account_id, definition.site, definition.sector),
        matching(node, record_type=record_type, scope=scope, now=now, zone=zone),
    )
    row = session.execute(
        select(_number(came_at >= since), _number(eligible(definition, now))).where(matches)
    ).one()
    return int(row[0] or 0), int(row[1] or 0)


def _number(clause: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((clause, 1), else_=0))
