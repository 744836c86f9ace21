"""When rules start next, where a calendar leaves planned times out or moves them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.calendars.applied_calendars import closed_rules
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.schedules.calendar import due_instants
from app.business.automation.services.triggering.activations import present_zones, site_schedules
from app.business.errors import Invalid

FAR = timedelta(days=400)
MOST_TIMES = 500
"""Planned times that are looked at for one rule."""
TINY = timedelta(microseconds=1)


def next_starts(session: Session, account_id: int, rule_ids: Collection[int]) -> dict[int, datetime | None]:
    """The next start of each rule after those that have rows; None where none comes within reach."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == account_id, AutomationRule.id.in_(list(rule_ids))
    )
    rules = session.scalars(query).all()
    closed = closed_rules(session, rules)
    zones = present_zones(session, [rule.id for rule in rules if rule.split_by == "site"])
    found: dict[int, datetime | None] = {}
    for rule in rules:
        first = rule.unplanned_from
        if first is None:
            continue
        try:
            schedules = site_schedules(read_definition(rule), zones.get(rule.id, {}))
        except Invalid:
            continue
        starts = []
        for site_id, schedule in schedules.items():
            times = closed.of(rule, site_id)
            ahead = islice(due_instants(schedule, first - TINY, first + FAR), MOST_TIMES)
            settled = (times.settle(schedule, at).start_at for at in ahead)
            starts.append(next(filter(None, settled), None))
        found[rule.id] = min(filter(None, starts), default=None)
    return found
