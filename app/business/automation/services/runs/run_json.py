"""A run as the REST API shows it, for messages that leave."""

from datetime import UTC, datetime

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rule_parts import JsonObject

COLUMNS = {
    "id": "id",
    "automation_rule": "automation_rule_id",
    "rule_name": "rule_name",
    "rule_version": "rule_version",
    "cause": "cause",
    "scheduled_at": "scheduled_at",
    "moved_to_at": "moved_to_at",
    "executed_at": "started_at",
    "started_at": "started_at",
    "finished_at": "finished_at",
    "not_before": "not_before",
    "waiting_for": "waiting_for",
    "status": "status",
    "reason": "reason",
    "result": "result",
    "error_message": "error_message",
    "credits_used": "credits_used",
    "start": "start_id",
    "max_credits": "max_credits",
    "remaining": "remaining",
    "attempt": "attempt",
    "site": "site_id",
    "sector": "sector_id",
}
"""Key -> attribute of the row."""


def run_json(run: ScheduledTask) -> JsonObject:
    """The run's present values."""
    values = {key: getattr(run, column) for key, column in COLUMNS.items()}
    return {
        key: value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(value, datetime)
        else value
        for key, value in values.items()
    }
