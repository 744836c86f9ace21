"""Addresses and bodies of the automation's REST resources."""

from typing import Any

from flask.testing import FlaskClient

from app.business.automation.models import AutomationRule

RULES = "/api/automation/rules/"
RUNS = "/api/automation/scheduled-tasks/"
LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
HOURLY = {"cron": "7 * * * *", "timezone": "UTC"}


def rule_body(**values: Any) -> dict[str, Any]:
    """The body of a POST that creates a rule."""
    return {"name": "Label them", "trigger": "keyword_added", "actions": [LABEL]} | values


def execute(api: FlaskClient, rule: AutomationRule, key: str | None = None, **body: Any) -> Any:
    """The response to a request for a run of the rule."""
    headers = {"Idempotency-Key": key} if key is not None else {}
    return api.post(f"{RULES}{rule.id}/execute/", json=body, headers=headers)
