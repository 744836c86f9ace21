"""What each operator answers, worked out by the evaluator itself for a few values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.business.automation.services.catalogue.field_types import FieldType, FieldValue
from app.business.automation.services.conditions.description import operator_text
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import OPERATORS, O, Operand, Operator
from app.business.automation.services.conditions.operators import RELATIONS, age_check
from app.modules.automation.help.entry import Table

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
FIELD = "field"


@dataclass(frozen=True)
class Example:
    """Values of a field with their words, and what each operator compares them with."""

    type: FieldType
    title: str
    values: Sequence[tuple[str, FieldValue]]
    operands: Mapping[Operator, tuple[str, Operand]]


SHOES, LISTED = "“red shoes”", "“red shoes” or “boots”"
EXAMPLES = (
    Example(
        FieldType.TEXT,
        "Texts",
        ((SHOES, "red shoes"), ("“Red Shoes”", "Red Shoes"), ("empty", ""), ("missing", None)),
        {
            O.EQ: (SHOES, "red shoes"),
            O.NE: (SHOES, "red shoes"),
            O.IN: (LISTED, ("red shoes", "boots")),
            O.NOT_IN: (LISTED, ("red shoes", "boots")),
            O.CONTAINS: ("“red”", "red"),
            O.NOT_CONTAINS: ("“red”", "red"),
            O.HAS_WORD: ("“shoes”", "shoes"),
            O.STARTS_WITH: ("“red”", "red"),
            O.ENDS_WITH: ("“shoes”", "shoes"),
        },
    ),
    Example(
        FieldType.NUMBER,
        "Numbers",
        (("500", 500), ("499.5", 499.5), ("0", 0), ("missing", None)),
        {
            **dict.fromkeys((O.EQ, O.NE, O.GT, O.GTE, O.LT, O.LTE), ("500", 500)),
            O.BETWEEN: ("100 and 500", (100, 500)),
            O.IN: ("0 or 500", (0, 500)),
            O.NOT_IN: ("0 or 500", (0, 500)),
        },
    ),
    Example(
        FieldType.LIST,
        "Lists, such as labels",
        (
            ("news, shop", ["news", "shop"]),
            ("Newsletter", ["Newsletter"]),
            ("no entry", []),
            ("missing", None),
        ),
        dict.fromkeys((O.CONTAINS, O.NOT_CONTAINS), ("“news”", "news")),
    ),
    Example(
        FieldType.HANDLED,
        "Ages",
        (
            ("8 days ago", NOON - WEEK - timedelta(days=1)),
            ("6 days ago", NOON - timedelta(days=6)),
            ("missing", None),
        ),
        dict.fromkeys((O.NOT_HANDLED_WITHIN, O.OLDER_THAN, O.NEWER_THAN), ("7 days", WEEK)),
    ),
)


def truth_tables() -> tuple[Table, ...]:
    """One for each kind of value: a row for each operator, a column for each value."""
    return tuple(map(_table, EXAMPLES))


def _table(example: Example) -> Table:
    heads = ("The field …", *(words for words, _ in example.values))
    rows = []
    for operator in OPERATORS[example.type]:
        words, operand = example.operands.get(operator, ("", None))
        said = f"{operator_text(operator, example.type)} {words}{_suffix(operator)}".strip()
        rows.append(
            (said, *("yes" if _holds(operator, value, operand) else "no" for _, value in example.values))
        )
    return Table(example.title, heads, tuple(rows))


def _suffix(operator: Operator) -> str:
    return " old" if operator in (O.OLDER_THAN, O.NEWER_THAN) else ""


def _holds(operator: Operator, value: FieldValue, operand: Operand) -> bool:
    if operator in RELATIONS:
        return RELATIONS[operator](value, operand)
    facts = Facts({FIELD: value}, now=NOON, today=NOON.date())
    return age_check(operator, operand)(value, facts)
