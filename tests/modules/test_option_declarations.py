"""An option of a rule is declared once: forms, API, diffs and checks use the declaration."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import Field

import app
from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.rules.definition import (
    RuleDefinition,
    definition_from,
    parse_definition,
)
from app.business.automation.services.rules.fields import OPTIONS, RuleFields, bounds_of, usual
from app.business.automation.services.rules.options import Idle, Option, idle_options, options_of
from app.business.automation.services.rules.repair import faults_of
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.texts import wrong_texts
from app.business.errors import Invalid
from app.modules.automation.api.serializers import RuleShown, fields_shown
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.rule_form.option_fields import choice_input, number_input
from app.modules.automation.rule_form.step_table import STEPS, owner_of

ROOT = Path(app.__file__).parent
RULE = {
    "name": "R",
    "trigger": "keyword_added",
    "actions": [{"type": "notify", "params": {"message": "Look"}}],
}
TOY = Option(
    "Toys per run", "limits", hint="As many as it likes.", choices=(("few", "Few of them"),), words={7: "seven"},
    idle=(Idle(lambda rule: rule.trigger != "schedule", "Only planned rules play. Leave it out."),),
)  # fmt: skip
DERIVED = (
    "modules/automation/labels", "modules/automation/api/serializers.py", "modules/automation/rule_form/step_table.py",
    "modules/automation/rule_form/option_fields.py", "modules/automation/diff/import_preview.py",
    "business/automation/services/rules/options.py", "business/automation/services/rules/restraint.py",
    "business/automation/services/rules/versions.py", "business/automation/services/rules/repair.py",
)  # fmt: skip
"""Modules that read the declarations must not name single options."""
WORDS_OF_THEIR_OWN = {
    ("modules/automation/labels/starts.py", "max_executions_per_day"),
    ("modules/automation/labels/starts.py", "credit_limit_per_execution"),
    ("modules/automation/labels/limits.py", "monthly_budget"),
    ("modules/automation/labels/audit.py", "monthly_budget"),
    ("modules/automation/labels/undo.py", "repeat_after_days"),
}
"""Exceptions: words about an option's effect on one start, run or undo, or about site budgets."""


class ToyFields(RuleFields):
    toys: Annotated[int, TOY] = Field(1, ge=1, le=9)


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds an option to the declared rule."""
    monkeypatch.setitem(OPTIONS, "toys", TOY)
    monkeypatch.setitem(RuleFields.model_fields, "toys", ToyFields.model_fields["toys"])


def test_every_field_is_declared_and_belongs_to_a_step_that_is_there() -> None:
    assert list(OPTIONS) == list(RuleDefinition.model_fields) == list(RuleFields.model_fields)
    assert {option.step for option in OPTIONS.values()} == {step.key for step in STEPS}


def test_a_new_option_reaches_whatever_reads_the_declarations(with_toy: None) -> None:
    assert options_of(ToyFields)["toys"] is TOY
    found = owner_of("toys")
    assert found is not None
    assert found.key == "limits"
    field = number_input("toys")
    assert (field.args[0], field.kwargs["description"], field.kwargs["default"]) == (
        "Toys per run",
        TOY.hint,
        1,
    )
    assert (bounds_of("toys"), usual("toys")) == ((1, 9), 1)
    assert [choice.label for choice in choice_input("toys").kwargs["choices"]] == ["Few of them"]
    assert fields_shown(ToyFields)["toys"][0] is int
    rule: Any = ToyFields.model_construct(**RULE, toys=3)
    assert list(idle_options(rule, {name: getattr(rule, name) for name in OPTIONS} | {"toys": 1})) == [
        ("toys", "Only planned rules play. Leave it out.")
    ]


def test_a_change_of_a_new_option_is_told_in_its_words(with_toy: None) -> None:
    before = parse_definition(RULE, shortest_interval_minutes=None).model_dump(mode="json") | {"toys": 2}
    nobody: Any = SimpleNamespace(sites=[], sectors=[])
    (change,) = rule_changes(before, before | {"toys": 7}, nobody)
    assert (change.field, change.before, change.after) == ("Toys per run", "2", "seven")


@pytest.mark.parametrize("place", DERIVED)
def test_no_place_that_reads_the_declarations_spells_an_option(place: str) -> None:
    options = [
        name
        for name in OPTIONS
        if "_" in name and name not in ("record_type", "is_active", "trigger_options")
    ]
    path = ROOT / place
    for file in path.rglob("*.py") if path.is_dir() else [path]:
        name = str(file.relative_to(ROOT))
        spelt = {option for option in options if re.search(rf"\b{option}\b", file.read_text())}
        assert not spelt - {option for where, option in WORDS_OF_THEIR_OWN if where == name}, name


def test_an_answer_has_each_field_as_it_is_declared() -> None:
    assert list(RuleShown.model_fields)[: len(OPTIONS)] == list(OPTIONS)


def test_the_schema_of_a_rule_names_the_options_of_each_trigger() -> None:
    schema = RuleDefinition.model_json_schema()
    kinds = schema["properties"]["trigger_options"]["anyOf"]
    named = [schema["$defs"][kind["$ref"].rpartition("/")[2]]["properties"] for kind in kinds]
    assert [set(properties) for properties in named] == [{"record_type", "to"}, {"rule_id", "status"}, set()]
    assert {"cron", "timezone", "at", "starts_at", "ends_at", "paused_until"} == set(
        schema["$defs"]["Schedule"]["properties"]
    )


@pytest.mark.parametrize(
    ("trigger", "part", "stored"),
    [
        ("run_finished", "trigger_options", {"status": ["failed"], "else": 1}),
        ("status_changed", "trigger_options", {}),
        ("keyword_added", "trigger_options", [1]),
        ("schedule", "schedule", {"cron": "0 9 * *"}),
        ("schedule", "schedule", {"at": "never", "z": None}),
    ],
)
def test_a_stored_part_that_cannot_be_read_is_kept_as_it_stands(trigger: str, part: str, stored: Any) -> None:
    read = definition_from(RULE | {"trigger": trigger, part: stored})
    assert read.model_dump(mode="json")[part] == stored
    kept = getattr(read, part)
    assert not kept.is_readable
    assert all(hasattr(kept, name) for name in type(kept).model_fields)


class Toy(Params):
    colour: str = Field(min_length=1)


class ToyAction(ActionType[Toy]):
    key = "play_about"
    label = "Play about"
    params = Toy
    done = "played about"


def test_the_schema_of_a_rule_names_the_parameters_of_each_action() -> None:
    schema = RuleDefinition.model_json_schema()
    items = schema["properties"]["actions"]["items"]
    assert items["discriminator"]["propertyName"] == "type"
    assert set(items["discriminator"]["mapping"]) == set(CATALOGUE)
    params = schema["$defs"][items["discriminator"]["mapping"]["create_tasks"].rpartition("/")[2]][
        "properties"
    ]["params"]
    assert "word_count" in schema["$defs"][params["$ref"].rpartition("/")[2]]["properties"]


def test_a_type_that_is_registered_later_is_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = RULE | {"actions": [{"type": "play_about", "params": {"colour": "red"}}]}
    with pytest.raises(Invalid, match="there is no action “play_about”"):
        parse_definition(toy, shortest_interval_minutes=None)
    monkeypatch.setitem(CATALOGUE, "play_about", ToyAction())
    assert "PlayAboutAction" in RuleDefinition.model_json_schema()["$defs"]
    rule = parse_definition(toy | {"record_type": "keyword"}, shortest_interval_minutes=None)
    assert [action.as_json() for action in rule.actions] == [
        {"type": "play_about", "params": {"colour": "red"}}
    ]
    with pytest.raises(Invalid) as refused:
        parse_definition(RULE | {"actions": [{"type": "play_about"}]}, shortest_interval_minutes=None)
    assert refused.value.errors == {"actions[0].params.colour": ["Action 1: This is missing."]}


def test_a_stored_action_of_an_unknown_type_is_told_and_breaks_nothing() -> None:
    stored = parse_definition(RULE, shortest_interval_minutes=None).model_dump(mode="json")
    rule = definition_from(stored | {"actions": [{"type": "no_such_action", "params": {}}]})
    assert list(faults_of(rule)) == ["actions[0].type"]
    assert summary_of(rule).startswith("This rule needs repair (actions[0].type)")
    assert not list(wrong_texts(rule))
