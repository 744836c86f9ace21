"""Empty values of conditions: an error beside the input, instead of a condition that never matches."""

from collections.abc import Iterator

from wtforms import Field, SelectMultipleField

from app.modules.automation.rule_form.base import add_error
from app.modules.automation.rule_form.conditions.row import ConditionRow
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from app.modules.forms import SpacedField


def refuse_empty_values(tree: ConditionTree) -> bool:
    """Add an error to each empty value; returns whether there are none."""
    empty = list(_empty_values(tree))
    for row, field in empty:
        add_error(field, _asks_for(row, field))
    return not empty


def _empty_values(tree: ConditionTree) -> Iterator[tuple[ConditionRow, Field]]:
    for row in tree.rows:
        if row.kept is None:
            yield from ((row, field) for field in row.inputs if _is_empty(field))
        if row.where:
            yield from _empty_values(row.where)


def _is_empty(field: Field) -> bool:
    value = field.data
    if isinstance(value, str) and not isinstance(field, SpacedField):
        value = value.strip(" ,")
    return value is None or value in ("", [])


def _asks_for(row: ConditionRow, field: Field) -> str:
    if isinstance(field, SelectMultipleField):
        return f"Tick at least one for condition {row.number}."
    return f"Fill in condition {row.number}: {field.label.text.lower()} is empty."
