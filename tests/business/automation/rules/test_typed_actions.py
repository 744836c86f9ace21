"""Actions of a rule are typed from their check to their work, and stored and answered exactly as they were before."""

import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import CATALOGUE, explicit_ids, stored_action
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.rules.definition import definition_from, parse_definition
from app.business.automation.services.rules.repair import faults_of
from app.business.errors import Invalid
from tests.business.automation.transfer.test_rule_round_trip import rules
from tests.sampling import FULL

EXAMPLES = 3_000 if FULL else 60
NOTIFY = {"type": "notify", "params": {"message": "Done"}}
UNREADABLE = [
    {"type": "notify", "params": {"message": "Done", "gone": 1}},
    {"type": "notify", "params": {}},
    {"type": "generate_ideas", "params": {"ideas_per_cluster": "7", "cluster_ids": [3]}},
    {"type": "create_tasks", "params": "none"},
    {"type": "gone", "params": {"a": 1}},
    {"params": {}, "type": "create_record", "on_error": "stop"},
    "notify",
]
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, ".type", "there is no action “None”."),
    ({"params": {}}, ".type", "there is no action “None”."),
    ({"type": "gone"}, ".type", "there is no action “gone”."),
    ({"type": 5}, ".type", "there is no action “5”."),
    (NOTIFY | {"else": 1}, "", "There is no “else” here: leave it out."),
    (NOTIFY | {"on_error": "x"}, ".on_error", "on_error is stop or continue."),
    (NOTIFY | {"params": []}, ".params", "params is an object."),
]


def rule(action: Any) -> dict[str, Any]:
    return {"name": "A rule", "trigger": "schedule", "schedule": {"cron": "0 9 * * *"}, "actions": [action]}


def shuffled(action: dict[str, Any], seed: int) -> dict[str, Any]:
    keys = list(action)
    random.Random(seed).shuffle(keys)
    return {key: action[key] for key in keys}


def as_stored(action: dict[str, Any]) -> dict[str, Any]:
    """The author's keys in the author's order, and every parameter that has a value."""
    params = CATALOGUE[action["type"]].params.model_validate(action.get("params", {}))
    return action | {"params": params.model_dump(exclude_none=True)}


def test_actions_are_typed_and_stored_as_their_author_wrote_them() -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=not FULL, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(rules(), st.integers(0, 99))
    def check(values: dict[str, Any], seed: int) -> None:
        values["actions"] = [shuffled(action, seed) for action in values["actions"]]
        sent = deepcopy(values)
        try:
            definition = parse_definition(values, shortest_interval_minutes=5)
        except Invalid:
            return
        assert values == sent
        kept = definition.model_dump(mode="json")
        assert json.dumps(kept["actions"]) == json.dumps([as_stored(action) for action in sent["actions"]])
        read = definition_from(kept)
        assert json.dumps(read.model_dump(mode="json")) == json.dumps(kept)
        for action, stored in zip(read.actions, kept["actions"], strict=True):
            entry = CATALOGUE[stored["type"]]
            assert isinstance(action, Action)
            assert isinstance(action.params, entry.params)
            assert (action.type, action.when and action.when.written, action.on_error) == (
                stored["type"],
                stored.get("when"),
                stored.get("on_error", "stop"),
            )
            assert entry.read(action) is action.params
            assert action.params.model_dump(exclude_none=True) == stored["params"]

    check()


@pytest.mark.parametrize("stored", UNREADABLE, ids=str)
def test_what_an_older_release_stored_is_kept_as_it_stands_and_needs_repair(stored: Any) -> None:
    kept = definition_from(rule(deepcopy(stored)))
    assert kept.model_dump(mode="json", include={"actions"}) == {"actions": [stored]}
    assert any(path.startswith("actions") for path in faults_of(kept))


def test_parameters_that_do_not_pass_can_be_looked_at_and_not_worked_with() -> None:
    action = stored_action({"type": "generate_ideas", "params": {"cluster_ids": [3], "gone": 1}})
    assert explicit_ids(action) == [3]
    with pytest.raises(ValidationError):
        CATALOGUE[action.type].read(action)


@pytest.mark.parametrize(("action", "path", "sentence"), REFUSED, ids=str)
def test_an_action_that_is_none_is_refused_beside_its_place(
    action: dict[str, Any], path: str, sentence: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_definition(rule(action), shortest_interval_minutes=None)
    assert refused.value.errors == {f"actions[0]{path}": [f"Action 1: {sentence}"]}


def test_conditions_are_parsed_once_for_each_definition() -> None:
    conditions = {"field": "account.credits_available", "operator": "gt", "value": 5}
    definition = parse_definition(rule(NOTIFY) | {"conditions": conditions}, shortest_interval_minutes=None)
    read = definition_from(definition.model_dump(mode="json"))
    assert read.tree is read.tree
    assert describe(read.tree, None) == describe(definition.tree, None)
    assert "tree" not in read.model_dump()
