"""What conditions are compiled to, beside an interpreter that looks every operator up in the table of their meaning."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.business.automation.services.conditions.compiled import compile_node, compile_trace
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node, O
from app.business.automation.services.conditions.operators import RELATIONS, age_check
from app.business.automation.services.conditions.parser import parse_free
from app.business.errors import Invalid
from app.business.folded_columns import folded_value
from tests.sampling import times

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOSTILE = "a') or __import__('os').abort() or ('"
FIELDS = ["a", "b", "items", HOSTILE]
VALUES: list[Any] = [
    None, True, False, 0, 1, 1.0, 2.5, -3, 10**30, float("inf"), "", "a", "A", "ab", "1", HOSTILE, "\ud800", "7d",
    [], ["a"], ["a", "b"], [1, 2], [1, "a", None], {"field": "b"}, {},
]  # fmt: skip
TIMES = [NOW, NOW - timedelta(days=7), NOW - timedelta(days=30), NOW.date(), date(2026, 11, 1)]
SAID = [
    ("eq", "a"), ("ne", "a"), ("gte", 1), ("lt", 2.5), ("contains", "a"), ("in", ["a", "ab"]), ("in", [1, 2]),
    ("eq", {"field": "b"}), ("older_than", "7d"), ("has_word", "a"), ("between", [0, 2]),
]  # fmt: skip
LEAVES = st.builds(
    lambda field, said: {"field": field, "operator": said[0], "value": said[1]},
    st.sampled_from(FIELDS),
    st.sampled_from(SAID),
)


def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=4)
    return st.one_of(
        *(st.fixed_dictionaries({kind: several}) for kind in ("all", "any")),
        st.fixed_dictionaries({"not": inner}),
    )


COUNTS = st.fixed_dictionaries(
    {
        "count": st.just("items"),
        "where": LEAVES | joined(LEAVES),
        "operator": st.sampled_from(["eq", "gte", "lt"]),
        "value": st.integers(0, 2),
    }
)
CONDITIONS = LEAVES | COUNTS
TREES = CONDITIONS | joined(CONDITIONS | joined(CONDITIONS | joined(CONDITIONS)))


def facts_of(values: dict[str, Any], rows: list[dict[str, Any]]) -> Facts:
    facts = Facts(values, now=NOW, today=NOW.date())
    facts.counted = {"items": [facts_of(row, []) for row in rows]}
    return facts


RECORDS = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([*VALUES, *TIMES]))


def interpreted(node: Node, facts: Facts) -> dict[str, Any]:
    """The trace, read from the tree alone."""
    if isinstance(node, Group):
        traces = [interpreted(child, facts) for child in node.children]
        results = [trace["result"] for trace in traces]
        if node.kind == "not":
            return {"not": traces[0], "result": not results[0]}
        return {node.kind: traces, "result": all(results) if node.kind == "all" else any(results)}
    asked = {"operator": str(node.operator), "value": node.value}
    if isinstance(node, Count):
        number = sum(interpreted(node.where, row)["result"] for row in facts.counted.get(node.key, []))
        of = {"count": node.relation, "where": node.where_value, **asked}
        return of | {"actual": number, "result": RELATIONS[node.operator](number, node.value)}
    actual = facts.get(node.field)
    case = {"ignore_case": True} if node.ignore_case else {}
    shown = actual.isoformat() if isinstance(actual, date) else actual
    return {"field": node.field, **asked, **case, "actual": shown, "result": is_met(node, actual, facts)}


def is_met(leaf: Leaf, actual: Any, facts: Facts) -> bool:
    if leaf.operator not in RELATIONS:
        return age_check(leaf.operator, leaf.operand)(actual, facts)
    operand = facts.get(leaf.other) if leaf.other is not None else leaf.operand
    if leaf.ignore_case:
        actual, operand = folded_value(actual), folded_value(operand)
    return RELATIONS[leaf.operator](actual, operand)


def require_agreement(node: Node, many: Iterable[Facts]) -> None:
    check, trace = compile_node(node), compile_trace(node)
    for facts in many:
        expected = interpreted(node, facts)
        # As text: True is no 1 there, and keys have an order.
        assert repr(trace(facts)) == repr(expected)
        assert check(facts) is expected["result"]


def test_every_operator_says_of_every_value_what_an_interpreter_says() -> None:
    many = [facts_of({"a": actual, "b": "A"}, []) for actual in [*VALUES, *TIMES]]
    seen = set()
    for operator, value, case in product(O, VALUES, (False, True)):
        asked = {"field": "a", "operator": operator.value, "value": value}
        with suppress(Invalid):
            require_agreement(parse_free(asked | ({"ignore_case": True} if case else {})), many)
            seen.add(operator)
    assert seen == {*O}


@settings(
    max_examples=times(full=20_000, sample=400),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(TREES, RECORDS, st.lists(RECORDS, max_size=3))
def test_a_tree_says_what_an_interpreter_says(tree: Any, values: Any, rows: Any) -> None:
    require_agreement(parse_free(tree), [facts_of(values, rows)])


KEYS = {"all", "any", "not", "field", "count", "where", "operator", "value", "actual", "result"}
"""Of traces."""


def test_nothing_that_somebody_wrote_is_part_of_the_code() -> None:
    leaf = {"field": HOSTILE, "operator": "eq", "value": HOSTILE}
    more = {"field": "b", "operator": "gt", "value": 987}
    counted = {"count": "items", "where": leaf, "operator": "gte", "value": 1}
    node = parse_free({"all": [leaf, {"not": more}, {"any": [counted, leaf]}]})
    for compiled in (compile_node(node), compile_trace(node)):
        code: Any = compiled.__code__  # type: ignore[attr-defined]
        ours = re.compile(r"(value|variable)_\d+|get|facts|type|text|numbers")
        assert all(ours.fullmatch(name) for name in (*code.co_names, *code.co_varnames))
        assert not code.co_freevars
        said = [one for const in code.co_consts for one in (const if isinstance(const, tuple) else [const])]
        assert {*said} <= {None, "", *KEYS}
