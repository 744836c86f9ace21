"""A change in words: "It would match if volume were at least 500 (it is 320)"."""

from collections.abc import Sequence

from app.business.automation.services.catalogue.field_types import Field, FieldType
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.conditions.description import describe, operator_text, value_text
from app.business.automation.services.conditions.nodes import Count, O
from app.business.automation.services.rule_parts import Json
from app.business.automation.services.why.smallest_change import Flip

_SUPPOSED = (
    ("is not ", "were not ", "were "),
    ("are not ", "were not ", "were "),
    ("is ", "were ", "were not "),
    ("are ", "were ", "were not "),
    ("was not ", "had not been handled by this rule ", "had been handled by this rule "),
    ("does not contain", "did not contain", "contained"),
    ("do not include", "did not include", "included"),
    ("contains", "contained", "did not contain"),
    ("include", "included", "did not include"),
    ("has the word", "had the word", "did not have the word"),
    ("starts with", "started with", "did not start with"),
    ("ends with", "ended with", "did not end with"),
)
"""Start of an operator's text -> its subjunctive, positive and negative."""


def turns_text(turns: list[Flip], record_type: str | None) -> str:
    """All changes in one sentence; empty for none."""
    said = [_turn(turn, record_type) for turn in turns]
    return f"It would match if {', and '.join(said)}." if said else ""


def _turn(turn: Flip, record_type: str | None) -> str:
    head, operator, rest = _parts(turn, record_type)
    supposed = next((row for row in _SUPPOSED if f"{operator} ".startswith(row[0])), None)
    if supposed is None:
        return f"“{head} {operator}{rest}” were {'true' if turn.wanted else 'false'}{_is(turn, record_type)}"
    began, if_so, if_not = supposed
    tail = f"{operator} ".removeprefix(began).rstrip()
    verb = (if_so if turn.wanted else if_not).rstrip()
    return f"{head} {verb}{' ' + tail if tail else ''}{rest}{_is(turn, record_type)}"


def _parts(turn: Flip, record_type: str | None) -> tuple[str, str, str]:
    """The subject, the operator, and the rest; together they are the sentence of the condition."""
    question = turn.question
    said = describe(question, record_type)
    if isinstance(question, Count):
        operator = operator_text(question.operator, FieldType.NUMBER)
        head, _, rest = said.rpartition(f" {operator} ")
        return head, operator, f" {rest}"
    field = fields_of(record_type).get(question.field)
    label = field.label if field else question.field
    operator = operator_text(question.operator, question.type)
    after = said.removeprefix(f"{label} ")
    if question.value is None and question.operator in (O.EQ, O.NE):
        return label, after, ""
    return label, operator, after.removeprefix(operator)


def _is(turn: Flip, record_type: str | None) -> str:
    question, actual = turn.question, turn.actual
    if isinstance(question, Count):
        return f" (it is {actual:,})"
    field = fields_of(record_type).get(question.field)
    if question.type is FieldType.HANDLED:
        return f" (it was, {value_text(actual, field)})" if actual else " (it never was)"
    if isinstance(actual, list):
        return f" ({_list(actual, field)})"
    return f" (it is {value_text(actual, field)})"


def _list(actual: Sequence[Json], field: Field | None) -> str:
    shown = ", ".join(value_text(item, field) for item in actual)
    return f"they are {shown}" if shown else "there are none"
