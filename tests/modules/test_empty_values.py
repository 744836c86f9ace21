"""A condition without a value is refused beside the input, for every field and operator."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import Field, FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.conditions.nodes import EMPTINESS
from app.modules.automation.rule_form.base import Pairs
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.conditions.empty_values import refuse_empty_values
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from app.modules.automation.rule_form.conditions.value import operator_choices
from tests.modules.rule_form_answers import LABEL, ROW, answer, begin
from tests.people import browser_of, make_people

pytestmark = pytest.mark.both_databases


@pytest.fixture
def context() -> Iterator[None]:
    # Forms only ask for their translations of it.
    with Flask(__name__).test_request_context():
        yield


def questions() -> Iterator[tuple[str, str, str]]:
    """A field of every type with every operator that the form offers for it."""
    kinds = {
        (field.type, bool(field.choices)): (record_type, name, field)
        for record_type in RECORD_TYPES
        for name, field in fields_of(record_type).items()
    }
    for record_type, name, field in kinds.values():
        for operator in asked_of(field):
            yield record_type, name, operator


def asked_of(field: Field) -> list[str]:
    asked = operator_choices(field, is_count=False)
    groups = asked.values() if isinstance(asked, dict) else [asked]
    return [operator for group in groups for operator, _ in group]


def tree_of(record_type: str, name: str, operator: str, value: str | None) -> ConditionTree:
    pairs: Pairs = [["c0-group", "0"], ["c0-field", name], ["c0-operator", operator]]
    pairs += [["c0-value", value], ["c0-value2", value]] if value is not None else []
    return ConditionTree(pairs, record_type, Choices().named)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("value", ["", None])
def test_each_question_of_each_field_requires_its_value(value: str | None) -> None:
    seen: set[FieldType] = set()
    for record_type, name, operator in questions():
        tree = tree_of(record_type, name, operator, value)
        (row,) = tree.rows
        offers_nothing_else = [
            field for field in row.inputs if getattr(field, "choices", None) and field.data
        ]
        is_filled = refuse_empty_values(tree)
        expected = not row.inputs or len(offers_nothing_else) == len(row.inputs)
        assert is_filled == expected, (record_type, name, operator)
        assert operator not in EMPTINESS or is_filled
        for field in row.inputs:
            if not field.data and field.short_name != "unit":
                assert field.errors, (record_type, name, operator, field.short_name)
        seen.add(row.about.type)
    assert seen == set(FieldType)


@pytest.mark.usefixtures("context")
def test_a_blank_value_is_empty_except_for_a_part_of_a_text() -> None:
    assert not refuse_empty_values(tree_of("keyword", "text", "eq", "  "))
    assert refuse_empty_values(tree_of("keyword", "text", "contains", " "))
    assert not refuse_empty_values(tree_of("keyword", "text", "contains", ""))
    assert refuse_empty_values(tree_of("keyword", "volume", "gte", "0"))


@pytest.fixture
def editor(app: Flask, session: Session) -> FlaskClient:
    return browser_of(app, session, make_people(session).editor)


def test_the_error_stands_beside_the_field_and_keeps_what_was_typed(editor: FlaskClient) -> None:
    draft = begin(editor)
    answer(editor, draft, ("when", {"trigger": "schedule"}), ("where", {"place": ""}))
    empty = {"record_type": "keyword", "record_minimum": "1", **ROW, "c0-value": ""}
    more = {"c1-group": "0", "c1-field": "text", "c1-operator": "contains", "c1-value": "shoe"}
    refused = editor.post(f"{draft}/which", data=empty | more)
    assert refused.status_code == 422
    assert 'id="c0-value-error"' in refused.text
    assert "Fill in condition 1: value is empty." in refused.text
    assert 'value="shoe"' in refused.text
    assert 'id="c1-value-error"' not in refused.text
    answer(editor, draft, ("which", empty | more | {"c0-value": "500"}))
    of_action = LABEL | {"a0-when-c0-group": "0", "a0-when-c0-field": "volume", "a0-when-c0-operator": "gte"}
    refused = editor.post(f"{draft}/do", data=of_action | {"a0-when-c0-value": ""})
    assert refused.status_code == 422
    assert 'id="a0-when-c0-value-error"' in refused.text
