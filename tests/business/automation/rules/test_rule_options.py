"""Every option has an effect: with each trigger it either works or is refused beside its field."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.billing.services import replenishment
from app.business.errors import Invalid
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.factories import make_site

NOTIFY = {"type": "notify", "params": {"message": "Hi"}}
DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
OF_KEYWORDS = {"record_type": "keyword"}
KINDS: dict[str, dict[str, Any]] = {
    "planned": {"trigger": "schedule", "record_type": "keyword", "schedule": DAILY, "actions": [LABEL]},
    "planned without records": {
        "trigger": "schedule",
        "record_type": None,
        "schedule": DAILY,
        "actions": [NOTIFY],
    },
    "records arrive": {"trigger": "keyword_added", "actions": [LABEL]},
    "a status changes": {"trigger": "status_changed", "trigger_options": OF_KEYWORDS, "actions": [LABEL]},
    "a run ends": {"trigger": "run_finished", "record_type": None, "actions": [NOTIFY]},
    "credits arrive": {"trigger": "credits_granted", "record_type": None, "actions": [NOTIFY]},
}
"""Triggers without records: rules with a record type cannot be switched on with them."""
EVENTS = {kind for kind in KINDS if not kind.startswith("planned")}
NO_RECORDS = {"planned without records", "a run ends", "credits arrive"}
REFUSED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "batching": ({"batching": "each"}, set(KINDS) - {"records arrive", "a status changes"}),
    "overlap": ({"overlap": "queue"}, EVENTS),
    "catch_up": ({"catch_up": "none"}, EVENTS),
    "catch_up_hours": ({"catch_up_hours": 3}, EVENTS),
    "on_closed_days": ({"on_closed_days": "move"}, EVENTS),
    "order": ({"order": "newest"}, NO_RECORDS),
    "record_limit": ({"record_limit": 7}, NO_RECORDS),
    "record_minimum": ({"record_minimum": 3}, NO_RECORDS),
    "repeat_after_days": ({"repeat": "after_days", "repeat_after_days": 3}, NO_RECORDS),
}
"""Option -> a value that is not the default, and the triggers with which it would have no effect."""
ACTS = {
    "split_by": {"split_by": "site"}, "repeat": {"repeat": "always"}, "when_limited": {"when_limited": "wait"},
    "priority": {"priority": 2}, "mode": {"mode": "shadow"}, "monthly_budget": {"monthly_budget": 50},
    "stop_after_failures": {"stop_after_failures": 2}, "max_executions_per_day": {"max_executions_per_day": 3},
    "credit_limit_per_execution": {"credit_limit_per_execution": 7}, "is_active": {"is_active": False},
}  # fmt: skip
"""Options that work with every trigger; other tests cover them."""
SAID_APART = {
    "name", "description", "trigger", "trigger_options", "site", "sector", "record_type", "conditions", "actions",
    "schedule",
}  # fmt: skip


def test_every_option_is_covered_here() -> None:
    assert {*REFUSED, *ACTS, *SAID_APART} == set(RuleDefinition.model_fields)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", [*REFUSED, *ACTS])
def test_an_option_without_effect_is_refused_beside_its_field(kind: str, option: str) -> None:
    values, idle_under = REFUSED.get(option, (ACTS.get(option), set()))
    body = {"name": "A rule"} | KINDS[kind]
    parse_definition(dict(body), shortest_interval_minutes=None)
    if kind in idle_under:
        with pytest.raises(Invalid) as refusal:
            parse_definition(body | values, shortest_interval_minutes=None)
        assert list(refusal.value.errors) == [option]
    else:
        rule = parse_definition(body | values, shortest_interval_minutes=None)
        assert {name: getattr(rule, name) for name in values} == values


def test_an_event_without_site_starts_a_split_rule_on_each_of_its_sites(
    machine: Machine, session: Session, account: Account
) -> None:
    sites = [make_site(session, account).id for _ in range(3)]
    machine.make_rule(account, trigger="credits_granted", record_type=None, actions=[NOTIFY], split_by="site")
    machine.pass_time(days=31)
    replenishment.replenish_monthly_credits(machine.transaction, machine.now)
    machine.settle()
    assert [run.split_site_id for run in machine.runs()] == sites
