"""Rules of the pipeline for tests of the preflight check and the rule graph."""

from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from tests.factories import NOW

CLUSTER: dict[str, Any] = {"type": "cluster_keywords", "params": {}}
IDEAS: dict[str, Any] = {"type": "generate_ideas", "params": {"again": True}}
TASKS: dict[str, Any] = {"type": "create_tasks", "params": {}}
WRITE: dict[str, Any] = {"type": "generate_content", "params": {}}
NOTIFY: dict[str, Any] = {"type": "notify", "params": {"message": "Look"}}


def set_status(status: str, **params: Any) -> dict[str, Any]:
    return {"type": "update_records", "params": {"status": status} | params}


def leaf(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def becomes(record_type: str, to: str | None = None) -> dict[str, Any]:
    options = {"record_type": record_type} | ({"to": to} if to else {})
    return {"trigger": "status_changed", "trigger_options": options}


def add(session: Session, account: Account, *actions: dict[str, Any], **changes: Any) -> AutomationRule:
    """An active rule, also one that the preflight check would refuse to switch on."""
    data = {
        "name": "A rule",
        "trigger": "keyword_added",
        "actions": list(actions),
        "is_active": False,
    } | changes
    data["name"] = free_name(session, account.id, str(data["name"]))
    rule = AutomationService().create_rule(session, account, data, Actor(None), NOW)
    rule.is_active = changes.get("is_active", True)
    session.flush()
    return rule
