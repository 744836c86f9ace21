"""The rule form offers the actions that have records to work on, the best first."""

from typing import Any

import pytest

from app.business.automation.services.catalogue.actions.registry import CATALOGUE, made_by, stored_action
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.rules.definition import parse_definition
from app.business.automation.services.rules.fitting_actions import fitting_actions
from app.business.errors import Invalid

PARAMS: dict[str, dict[str, Any]] = {
    "ask_person": {"question": "Go on?"},
    "create_record": {"type": "task", "title": "Look"},
    "notify": {"message": "Look"},
    "pause_rule": {"rule_id": 1},
    "resume_rule": {"rule_id": 1},
    "send_webhook": {"webhook": 1},
    "update_records": {"note": "Look"},
}
BEST = {
    "keyword": ["cluster_keywords", "generate_ideas", "create_tasks", "generate_content"],
    "cluster": ["generate_ideas", "create_tasks", "generate_content"],
    "idea": ["create_tasks", "generate_content"],
    "task": ["generate_content"],
    "content": ["publish_content"],
    None: ["notify"],
}


def rule(record_type: str | None, actions: list[str]) -> dict[str, Any]:
    return {
        "name": "Any", "trigger": "schedule", "record_type": record_type, "conditions": {},
        "schedule": {"cron": "0 9 * * *", "timezone": "UTC"},
        "actions": [{"type": key, "params": PARAMS.get(key, {})} for key in actions],
    }  # fmt: skip


def is_refused(record_type: str | None, actions: list[str]) -> bool:
    """Whether the check of the rule says that the last action has nothing to work on."""
    try:
        parse_definition(rule(record_type, actions), shortest_interval_minutes=None)
    except Invalid as refusal:
        return f"actions[{len(actions) - 1}]" in refusal.errors
    return False


@pytest.mark.parametrize("record_type", BEST)
def test_the_first_offered_goes_on_where_the_one_before_ended(record_type: str | None) -> None:
    chosen: list[str] = []
    for _ in BEST[record_type]:
        made = [
            type
            for key in chosen
            if (type := made_by(stored_action({"type": key, "params": PARAMS.get(key, {})})))
        ]
        chosen.append(fitting_actions(record_type, made, chosen)[0].key)
    assert chosen == BEST[record_type]


@pytest.mark.parametrize("first", [None, *CATALOGUE])
@pytest.mark.parametrize("record_type", [None, *RECORD_TYPES])
def test_offered_actions_pass_the_check_of_the_rule(record_type: str | None, first: str | None) -> None:
    before = [first] if first and not is_refused(record_type, [first]) else []
    made = [
        type
        for key in before
        if (type := made_by(stored_action({"type": key, "params": PARAMS.get(key, {})})))
    ]
    offered = {entry.key for entry in fitting_actions(record_type, made, before)}
    of_records = {"update_records"} if record_type is None else set()
    assert offered == {key for key in CATALOGUE if not is_refused(record_type, [*before, key])} - of_records
