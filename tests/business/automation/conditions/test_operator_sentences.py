"""Each operator of each kind of field does what its sentence says, in Python and in SQL."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.services.catalogue.field_types import FieldType as T
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.nodes import OPERATORS
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.conditions.record_fields import load_facts
from tests import factories
from tests.factories import NOW

UTC = ZoneInfo("UTC")
TODAY = date(2026, 11, 24)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


SAMPLES: dict[T, tuple[str, str, list[Any]]] = {
    T.TEXT: ("content", "main_keyword", ["", "how to bake", "however", "a man's how", "Show"]),
    T.NUMBER: ("keyword", "volume", [None, 0, 499, 500, 501]),
    T.BOOLEAN: ("content", "outline", [True, False]),
    T.CHOICE: ("keyword", "intent", [None, "commercial", "informational"]),
    T.INSTANT: ("content", "published_at", [None, ago(days=8), ago(days=7), ago(hours=1)]),
    T.DAY: ("task", "due_on", [None, *(TODAY + timedelta(days=step) for step in (-8, -7, -1, 1))]),
    T.LIST: ("keyword", "labels", [[], ["pillar"], ["Pillar", "new"]]),
    T.REFERENCE: ("keyword", "made_by_run", [None, 7, 8]),
    T.HANDLED: ("keyword", "handled_at", [None, ago(days=8), ago(days=6)]),
}
"""For each type a field, and records with these values in it."""

AT, ON = ago(days=7).isoformat(), (TODAY - timedelta(days=7)).isoformat()
MEANT: dict[T, list[tuple[str, Any, str, list[Any]]]] = {
    T.TEXT: [
        ("eq", "however", "is “however”", ["however"]),
        ("eq", "", "is “”", [""]),
        ("ne", "however", "is not “however”", ["", "how to bake", "a man's how", "Show"]),
        ("in", ["however", "show"], "is one of “however” or “show”", ["however"]),
        ("not_in", ["however", ""], "is none of “however” or “”", ["how to bake", "a man's how", "Show"]),
        ("contains", "how", "contains “how”", ["how to bake", "however", "a man's how", "Show"]),
        ("contains", "how ", "contains “how ”", ["how to bake"]),
        ("not_contains", "how", "does not contain “how”", [""]),
        ("has_word", "how", "has the word “how”", ["how to bake", "a man's how"]),
        ("starts_with", "how", "starts with “how”", ["how to bake", "however"]),
        ("starts_with", "how ", "starts with “how ”", ["how to bake"]),
        ("ends_with", "how", "ends with “how”", ["a man's how", "Show"]),
        ("is_empty", None, "is empty", [""]),
        ("is_not_empty", None, "is not empty", ["how to bake", "however", "a man's how", "Show"]),
    ],
    T.NUMBER: [
        ("eq", 500, "is 500", [500]),
        ("eq", None, "is empty", [None]),
        ("ne", 500, "is not 500", [None, 0, 499, 501]),
        ("gt", 500, "is above 500", [501]),
        ("gte", 500, "is at least 500", [500, 501]),
        ("lt", 500, "is below 500", [0, 499]),
        ("lte", 500, "is at most 500", [0, 499, 500]),
        ("between", [0, 499], "is between 0 and 499", [0, 499]),
        ("in", [0, None], "is one of 0 or empty", [None, 0]),
        ("not_in", [0, 500], "is none of 0 or 500", [None, 499, 501]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", [0, 499, 500, 501]),
    ],
    T.BOOLEAN: [
        ("eq", True, "is yes", [True]),
        ("ne", True, "is not yes", [False]),
        ("is_empty", None, "is empty", []),
        ("is_not_empty", None, "is not empty", [True, False]),
    ],
    T.CHOICE: [
        ("eq", "commercial", "is “Commercial”", ["commercial"]),
        ("ne", "commercial", "is not “Commercial”", [None, "informational"]),
        ("in", ["commercial", None], "is one of “Commercial” or empty", [None, "commercial"]),
        ("not_in", ["commercial"], "is none of “Commercial”", [None, "informational"]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", ["commercial", "informational"]),
    ],
    T.INSTANT: [
        ("eq", AT, "is 17 Nov 2026 09:00 UTC", [ago(days=7)]),
        ("ne", AT, "is not 17 Nov 2026 09:00 UTC", [None, ago(days=8), ago(hours=1)]),
        ("gt", AT, "is after 17 Nov 2026 09:00 UTC", [ago(hours=1)]),
        ("gte", AT, "is not before 17 Nov 2026 09:00 UTC", [ago(days=7), ago(hours=1)]),
        ("lt", AT, "is before 17 Nov 2026 09:00 UTC", [ago(days=8)]),
        ("lte", AT, "is not after 17 Nov 2026 09:00 UTC", [ago(days=8), ago(days=7)]),
        (
            "between",
            [AT, ago(hours=1).isoformat()],
            "is between 17 Nov 2026 09:00 UTC and 24 Nov 2026 08:00 UTC",
            [ago(days=7), ago(hours=1)],
        ),
        ("older_than", "7d", "is more than 7 days ago", [ago(days=8)]),
        ("newer_than", "7d", "is less than 7 days ago", [ago(hours=1)]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", [ago(days=8), ago(days=7), ago(hours=1)]),
    ],
    T.DAY: [
        ("eq", ON, "is 17 Nov 2026", [-7]),
        ("ne", ON, "is not 17 Nov 2026", [None, -8, -1, 1]),
        ("gt", ON, "is after 17 Nov 2026", [-1, 1]),
        ("gte", ON, "is not before 17 Nov 2026", [-7, -1, 1]),
        ("lt", ON, "is before 17 Nov 2026", [-8]),
        ("lte", ON, "is not after 17 Nov 2026", [-8, -7]),
        ("between", [ON, TODAY.isoformat()], "is between 17 Nov 2026 and 24 Nov 2026", [-7, -1]),
        ("older_than", "7d", "is more than 7 days ago", [-8]),
        ("newer_than", "7d", "is less than 7 days ago or still to come", [-1, 1]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", [-8, -7, -1, 1]),
    ],
    T.LIST: [
        ("contains", "pillar", "include “pillar”", [["pillar"]]),
        ("not_contains", "pillar", "do not include “pillar”", [[], ["Pillar", "new"]]),
        ("is_empty", None, "are empty", [[]]),
        ("is_not_empty", None, "are not empty", [["pillar"], ["Pillar", "new"]]),
    ],
    T.REFERENCE: [
        ("eq", 7, "is 7", [7]),
        ("ne", 7, "is not 7", [None, 8]),
        ("in", [7, 8], "is one of 7 or 8", [7, 8]),
        ("not_in", [7], "is none of 7", [None, 8]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", [7, 8]),
    ],
    T.HANDLED: [
        ("not_handled_within", "7d", "was not in the last 7 days", [None, ago(days=8)]),
        ("older_than", "7d", "is more than 7 days ago", [ago(days=8)]),
        ("newer_than", "7d", "is less than 7 days ago", [ago(days=6)]),
        ("is_empty", None, "is empty", [None]),
        ("is_not_empty", None, "is not empty", [ago(days=8), ago(days=6)]),
    ],
}
"""For each type: operator, value, what the sentence says, and which of the samples it is true of (days: from today)."""


def test_every_operator_of_every_type_is_here() -> None:
    assert {type: {operator for operator, *_ in rows} for type, rows in MEANT.items()} == {
        type: {operator.value for operator in operators} for type, operators in OPERATORS.items()
    }


@pytest.mark.parametrize("type", list(MEANT), ids=str)
def test_each_operator_does_what_its_sentence_says(session: Session, type: T) -> None:
    record_type, name, values = SAMPLES[type]
    ids, rule_id, account_id = _records(session, record_type, name, values)
    frame: dict[str, Any] = {
        "scope": RuleScope(account_id, None, None), "now": NOW, "zone": UTC, "rule_id": rule_id,
    }  # fmt: skip
    label = fields_of(record_type)[name].label
    for operator, value, said, meant in MEANT[type]:
        leaf = {"field": name, "operator": operator} | ({} if "empty" in operator else {"value": value})
        node = parse_conditions(leaf, record_type=record_type)
        wanted = {ids[_place(values, sample)] for sample in meant}
        assert describe(node, record_type) == f"{label} {said}"
        model = MODELS[record_type]
        assert (
            set(session.scalars(select(model.id).where(matching(node, record_type=record_type, **frame))))
            == wanted
        )
        facts = load_facts(session, record_type, ids, conditions=[node], **frame)
        assert {key for key in ids if ConditionEvaluator().evaluate(node, facts[key])} == wanted, leaf


def _place(values: list[Any], sample: Any) -> int:
    if isinstance(values[-1], date) and isinstance(sample, int):
        return values.index(TODAY + timedelta(days=sample))
    return [(type(value), value) for value in values].index((type(sample), sample))


def _records(session: Session, record_type: str, name: str, values: list[Any]) -> tuple[list[int], int, int]:
    sector = factories.make_sector(session, factories.make_site(session, factories.make_account(session)))
    stamps: dict[str, Any] = {"account_id": sector.account_id, "updated_at": NOW}
    rule = AutomationRule(name="A rule", trigger="schedule", created_at=NOW, **stamps)
    session.add(rule)
    session.flush()
    make = getattr(factories, f"make_{record_type}")
    if name == "handled_at":
        ids = [make(session, sector).id for _ in values]
        session.add_all(
            RuleRecord(
                rule_id=rule.id,
                record_type=record_type,
                record_id=id,
                state="handled",
                run_id=1,
                handled_at=at,
                **stamps,
            )
            for id, at in zip(ids, values, strict=True)
            if at
        )
        session.flush()
    else:
        column = fields_of(record_type)[name].column or name
        ids = [make(session, sector, **{column: value}).id for value in values]
    return ids, rule.id, sector.account_id
