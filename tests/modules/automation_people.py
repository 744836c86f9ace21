"""Programs of each role, and an address book of the automation's REST resources."""

from typing import Any

RULES = "/api/automation/rules/"
RUNS = "/api/automation/scheduled-tasks/"
LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
HOURLY = {"cron": "7 * * * *", "timezone": "UTC"}


def rule_body(**values: Any) -> dict[str, Any]:
    """The body of a POST that makes a rule."""
    return {"name": "Label them", "trigger": "keyword_added", "actions": [LABEL]} | values
