"""An exported rule, imported again, is the same rule: for generated definitions with ambiguous texts."""

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.automation.services.transfer.importing import with_ids
from app.business.automation.services.transfer.names import Directory, with_names
from app.business.automation.services.transfer.yaml_format import read_rules, rules_text
from app.business.plain_characters import fault_of_line, without_faults
from tests.business.automation.conditions.condition_cases import trees
from tests.sampling import FULL

EXAMPLES = 3_000 if FULL else 60
AWKWARD = [
    "1e5", "1E5", "+1e-3", "08", "010", "0o7", "0x1F", "1_000", "12:30", "1.0", ".5", "5.", "-0", "null", "Null", "~",
    "true", "TRUE", "no", "On", "y", "=", "<<", "2027-03-01", ".nan", ".inf", "- a", "? a", "a: b", "a #b", "#b", "'",
    '"', "&x", "*x", "!x", "%x", "@x", "`x", "|", ">", "[a", "{", "}", "---", "...", "\\", "1e999", "9" * 30, "é\u0301",
    "日本", "a" * 200, "word " * 40,
]  # fmt: skip
BLANKS = [
    "a\nb",
    "\na\n",
    "a\n\n",
    "\t",
    "a\r\nb",
    "a\u0085b",
    "a\u2028b",
    "\ufeffa",
    "\u200b",
    "a\x1bb",
    " a ",
    "\u00a0",
]
LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), min_size=1, max_size=12)
LINES = st.one_of(
    st.sampled_from(AWKWARD), st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="{}"),
                                      min_size=1, max_size=8)
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(AWKWARD), st.sampled_from(BLANKS), LETTERS)
DIRECTORY = Directory(
    {
        "site": {1: "1e5", 2: "Acme: pans & pots", 3: "null", 12: "1e5: ~"},
        "sector": {
            4: "1e5: ~",
            5: "Acme: pans & pots: 08",
            6: "null: true",
            13: "1e5: ~: a",
            14: "1e5: ~: a",
        },
        "rule": {7: "12:30", 8: "Two of a name", 9: "Two of a name"},
        "person": {10: "Mira+1@example.com", 11: "1e5@example.com"},
    }
)
"""Sector 14 is “~: a” of site 1, and reads as sector 13, “a” of site 12."""
SECTORS = {4: 1, 5: 2, 6: 3, 13: 12, 14: 1}


@st.composite
def actions(draw: st.DrawFn, record_type: str | None) -> dict[str, Any]:
    kinds = ["notify", "pause_rule", "create_record"] + (["update_records"] if record_type else [])
    kind = draw(st.sampled_from([*kinds, PAID[record_type]] if record_type in PAID else kinds))
    action: dict[str, Any] = {"type": kind, "params": draw(PARAMS[kind])}
    if kind == "update_records" and draw(st.booleans()):
        statuses = [value for value, _ in choices_of(record_type or "", "status")]
        action["params"]["status"] = draw(st.sampled_from(statuses))
    if draw(st.integers(0, 3)) == 0:
        action["on_error"] = "continue"
    if record_type and kind not in ("notify", "pause_rule") and draw(st.integers(0, 3)) == 0:
        action["when"] = draw(trees(record_type, 1))
    return action


PAID = {
    "keyword": "cluster_keywords",
    "cluster": "generate_ideas",
    "idea": "create_tasks",
    "task": "generate_content",
}
PARAMS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "notify": st.fixed_dictionaries(
        {"message": TEXTS}, optional={"to": st.sampled_from(["editor", "owner"])}
    ),
    "pause_rule": st.fixed_dictionaries(
        {}, optional={"rule_id": st.sampled_from([7, 8, 9]), "site": st.sampled_from([1, 2, 3]), "reason": TEXTS}
    ),
    "create_record": st.fixed_dictionaries(
        {"type": st.sampled_from(["idea", "task"]), "title": LINES},
        optional={"description": TEXTS, "content_type": LINES.map(lambda text: text[:32])},
    ),
    "update_records": st.fixed_dictionaries(
        {},
        optional={
            "labels_add": st.lists(LINES.map(lambda text: text[:64]), max_size=3),
            "assignee": st.sampled_from([10, 11]),
            "note": TEXTS,
            "due_in_days": st.integers(0, 9),
        },
    ),
    "cluster_keywords": st.just({"min_cluster_size": 4}),
    "generate_ideas": st.just({"again": True, "cluster_ids": [1, 2]}),
    "create_tasks": st.just({"word_count": 700}),
    "generate_content": st.just({"task_id": 9}),
}  # fmt: skip
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "description": TEXTS,
    "max_executions_per_day": st.integers(1, 100),
    "credit_limit_per_execution": st.integers(0, 1000),
    "record_limit": st.sampled_from([1, 50, 500]),
    "record_minimum": st.integers(1, 5),
    "repeat": st.sampled_from(["once", "always"]),
    "when_limited": st.sampled_from(["wait", "skip", None]),
    "priority": st.integers(1, 9),
    "mode": st.sampled_from(["live", "shadow"]),
    "monthly_budget": st.one_of(st.none(), st.integers(0, 9999)),
    "is_active": st.booleans(),
}
PLANNED: dict[str, st.SearchStrategy[Any]] = {
    "split_by": st.sampled_from(["none", "site"]),
    "overlap": st.sampled_from(["skip", "queue", "allow"]),
    "catch_up": st.sampled_from(["latest", "all", "none"]),
    "catch_up_hours": st.integers(1, 48),
    "on_closed_days": st.sampled_from(["skip", "move", "run"]),
    "repeat_after_days": st.integers(1, 30),
    "order": st.sampled_from(["oldest", "newest", "random", "-created_at", "note"]),
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    record_type = draw(st.sampled_from([*RECORD_TYPES, None]))
    planned = record_type is None or draw(st.booleans())
    rule = draw(st.fixed_dictionaries({"name": LINES}, optional=OPTIONS))
    if planned:
        cron = draw(st.sampled_from(["0 9 * * *", "7 3 1 * *"]))
        rule |= {"trigger": "schedule", "schedule": {"cron": cron, "timezone": "Asia/Tokyo"}}
        rule |= draw(st.fixed_dictionaries({"record_type": st.just(record_type)}, optional=PLANNED))
        if record_type is None:
            for name in ("order", "record_limit", "record_minimum", "repeat_after_days"):
                rule.pop(name, None)
    else:
        to = draw(st.lists(st.sampled_from([value for value, _ in choices_of(record_type or "", "status")])))
        options = {"record_type": record_type, "to": to}
        rule |= {"trigger": "status_changed", "trigger_options": options, "record_type": record_type}
    rule["actions"] = draw(st.lists(actions(record_type), min_size=1, max_size=3))
    rule["conditions"] = draw(st.one_of(st.just({}), trees(record_type, 2)))
    place = draw(st.sampled_from([None, "site", "sector"]))
    if record_type is None and not place and '"of": "site"' in json.dumps(rule["conditions"]):
        rule["split_by"] = "site"
    if place:
        rule["sector"] = draw(st.sampled_from(list(SECTORS))) if place == "sector" else None
        rule["site"] = SECTORS.get(rule["sector"] or 0, 1)
    return dict(storable(rule))


def storable(node: Any) -> Any:
    """`node` without the characters that rules refuse in their texts."""
    if isinstance(node, dict):
        return {key: storable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [storable(value) for value in node]
    return without_faults(node) or "x" if isinstance(node, str) and fault_of_line(node) else node


def definition(values: dict[str, Any]) -> RuleDefinition:
    return parse_definition(values, shortest_interval_minutes=5)


def test_what_is_exported_is_what_is_imported() -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=not FULL, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(rules(), min_size=1, max_size=2))
    def round_trip(several: list[dict[str, Any]]) -> None:
        saved = [definition(rule).model_dump(mode="json") for rule in several]
        text = rules_text([with_names(rule, DIRECTORY) for rule in saved])
        for before, read in zip(saved, read_rules(text), strict=True):
            data, errors = with_ids(read, DIRECTORY)
            assert errors == {}
            after = definition(data | {"is_active": before["is_active"]}).model_dump(mode="json")
            assert after == before

    round_trip()
