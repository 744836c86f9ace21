"""What an event rule that is on and has never run would take of the records that were here before it."""

from dataclasses import dataclass
from datetime import datetime

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.conditions.match_preview import COUNTED_EXACTLY, preview_matches
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.infrastructure.database import db
from app.modules.automation.labels.starts import StartCost, cost_of_start


@dataclass(frozen=True)
class ExistingRecords:
    """count: of those that match; of very many, about as many · cost: of a start on them; None where they are too many
    for a page that only shows the rule."""

    record_type: str
    count: int
    cost: StartCost | None


def existing_records(rule: AutomationRule, now: datetime) -> ExistingRecords | None:
    """None where nothing that it could take is here; call it for valid rules."""
    if not rule.is_active or rule.archived_at or rule.trigger == "schedule" or rule.record_type is None:
        return None
    session = db.session()
    matches = preview_matches(
        session,
        Frame(rule_scope(session, rule), now, rule_zone(session, rule)),
        record_type=rule.record_type,
        conditions=rule.conditions,
        shown=0,
        counted_exactly=COUNTED_EXACTLY,
    )
    if not matches.count:
        return None
    if matches.total > COUNTED_EXACTLY:
        return ExistingRecords(rule.record_type, matches.count, None)
    cost = cost_of_start(rule, now, cause=Cause.BACKFILL)
    return ExistingRecords(rule.record_type, matches.count, cost) if cost.price.records else None
