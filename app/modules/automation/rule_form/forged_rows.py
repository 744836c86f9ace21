"""Rejects values in the rows of conditions and actions that our pages never send: an error beside the input, not
stored.

A value counts as forged when its input did not offer it and the draft does not contain it already: a rule may reference
deleted rows. When the field or operator of a row has just changed, its value belongs to the previous inputs.
"""

from collections.abc import Callable, Iterator

from wtforms import Field
from wtforms.fields.choices import SelectFieldBase
from wtforms.widgets import NumberInput

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.conditions.nodes import O
from app.modules.automation.rule_form.actions.form import ActionRow, ActionsInput
from app.modules.automation.rule_form.base import Pairs, StepForm, add_error
from app.modules.automation.rule_form.conditions.fields import field_choices
from app.modules.automation.rule_form.conditions.row import ConditionRow
from app.modules.automation.rule_form.conditions.tree import ConditionGroup, ConditionTree
from app.modules.automation.rule_form.conditions.value import OTHER
from app.modules.automation.rule_form.steps import DoStep, WhichStep
from app.modules.gate.numbers import is_decimal

CHOOSE = "Choose one of the list."
NUMBER = "Enter a number, like 12.5."
DAMAGED = "This condition came back damaged. Remove it, and add it again."
OPERATORS = {operator.value for operator in O} | {f"{operator.value}{OTHER}" for operator in O}

Kept = set[tuple[str, str]]
Refusals = list[tuple[Field, str]]


def forged_inputs(form: StepForm, kept: Pairs, build: Callable[[Pairs], StepForm]) -> Refusals:
    """Each forged input of the step, with its error message.

    kept: the step's input in the draft, which the submitted page was built from · build: creates the step from it, only
    if it is needed.
    """
    known = {(name, value) for name, value in kept}
    if not any(_refusals(form, None, known)):
        return []
    return list(_refusals(form, build(kept), known))


def refuse(forged: Refusals) -> None:
    """Add the error to each input that does not have it yet."""
    for field, message in forged:
        if message not in field.errors:
            add_error(field, message)


def _refusals(form: StepForm, shown: StepForm | None, kept: Kept) -> Iterator[tuple[Field, str]]:
    if isinstance(form, WhichStep):
        yield from _in_tree(form.conditions, shown.conditions if isinstance(shown, WhichStep) else None, kept)
    if isinstance(form, DoStep):
        yield from _in_actions(form.actions, shown.actions if isinstance(shown, DoStep) else None, kept)


def _in_actions(actions: ActionsInput, shown: ActionsInput | None, kept: Kept) -> Iterator[tuple[Field, str]]:
    rows = {row.number: row for row in shown.rows} if shown else {}
    for row in actions.rows:
        before = rows.get(row.number)
        if row.chosen and row.chosen not in CATALOGUE and (row.form.type.name, row.chosen) not in kept:
            yield row.form.type, CHOOSE
        yield from _in_input(row.form.on_error, kept)
        if row.is_sent:
            for field in row.params + row.more:
                yield from _in_input(field, kept)
        if before is None or _taken(before) == _taken(row):
            yield from _in_tree(row.when, before.when if before else None, kept)


def _taken(row: ActionRow) -> tuple[str, str | None]:
    return row.entry.key, row.when.record_type


def _in_tree(tree: ConditionTree, shown: ConditionTree | None, kept: Kept) -> Iterator[tuple[Field, str]]:
    rows = {row.name: row for row in shown.rows} if shown else {}
    for group in _groups(tree.root):
        yield from _in_input(group.form.match, kept)
    for row in tree.rows:
        before = rows.get(row.name)
        if row.name in tree.astray:
            yield row.form.field, DAMAGED
        if row.kept is not None:
            if (row.form.kept.name, row.kept) not in kept:
                yield row.form.kept, DAMAGED
            continue
        yield from _in_row(row, before, kept)
        if row.where and (before is None or before.field_name == row.field_name):
            yield from _in_tree(row.where, before.where if before else None, kept)


def _in_row(row: ConditionRow, before: ConditionRow | None, kept: Kept) -> Iterator[tuple[Field, str]]:
    fields = {name for group in field_choices(row.record_type, row.may_count).values() for name, _ in group}
    if any(text not in fields for text in _sent(row.form.field, kept)):
        yield row.form.field, CHOOSE
    elif any(text not in OPERATORS for text in _sent(row.form.operator, kept)):
        yield row.form.operator, CHOOSE
    elif before is None or before.field_name == row.field_name:
        yield from _in_input(row.form.operator, kept)
        if before and before.operator != row.operator:
            return
        for field in row.inputs:
            yield from _in_input(field, kept)


def _in_input(field: Field, kept: Kept) -> Iterator[tuple[Field, str]]:
    sent = _sent(field, kept)
    if isinstance(field, SelectFieldBase):
        offered = {str(choice.value) for choice in field.choices or ()}
        if any(text not in offered for text in sent):
            yield field, CHOOSE
    elif isinstance(field.widget, NumberInput) and any(not is_decimal(text) for text in sent):
        yield field, NUMBER


def _sent(field: Field, kept: Kept) -> list[str]:
    """The submitted values of the field that the draft does not contain already."""
    return [text for text in field.raw_data or () if text and (field.name, text) not in kept]


def _groups(group: ConditionGroup) -> Iterator[ConditionGroup]:
    yield group
    for inner in group.groups:
        yield from _groups(inner)
