"""Evaluates conditions on facts: the result, and the trace that explains it. Meaning of the operators: `operators`."""

from collections.abc import Callable
from datetime import date
from typing import Any
from weakref import WeakKeyDictionary

from app.business.automation.services.catalogue.field_types import RELATED, FieldValue
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import (
    AGE,
    ORDER,
    Count,
    Group,
    Leaf,
    Node,
    O,
    record_names,
)
from app.business.automation.services.conditions.operators import (
    RELATIONS,
    Check,
    Relation,
    age_check,
)
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.folded_columns import folded_value

Tracer = Callable[[Facts], JsonObject]

_NUMBERS = frozenset({int, float})


class ConditionEvaluator:
    """Compiles each tree to nested closures once and caches them."""

    def __init__(self) -> None:
        self._checks: WeakKeyDictionary[Node, Check] = WeakKeyDictionary()
        self._tracers: WeakKeyDictionary[Node, Tracer] = WeakKeyDictionary()

    def evaluate(self, node: Node, facts: Facts) -> bool:
        return self.compiled(node)(facts)

    def compiled(self, node: Node) -> Check:
        """The compiled check, to be called for many facts."""
        check = self._checks.get(node)
        if check is None:
            check = self._checks[node] = compile_node(node)
        return check

    def trace(self, node: Node, facts: Facts) -> JsonObject:
        """The result of every condition with the actual value; also of those that cannot change the result any more.

        Ready for JSON. Leaf: {"field", "operator", "value", "actual", "result"}; a count has "count" and "where" in
        place of the field. Group: {"all": [traces]}, {"any": [traces]} or {"not": trace}, and "result".
        """
        tracer = self._tracers.get(node)
        if tracer is None:
            tracer = self._tracers[node] = compile_trace(node)
        return tracer(facts)


def compile_node(node: Node) -> Check:
    """Compile `node` to one function of facts."""
    if isinstance(node, Group):
        return _group(node)
    if isinstance(node, Count):
        return _count(node)
    if node.operator in AGE or node.operator is O.NOT_HANDLED_WITHIN:
        return age_check(node.operator, node.field, node.operand)
    if node.other is not None:
        return _two_fields(node)
    return _one_field(node)


def _group(node: Group) -> Check:
    checks = tuple(compile_node(child) for child in node.children)
    if node.kind == "not":
        (check,) = checks
        return lambda facts: not check(facts)
    few = _FEW.get((node.kind, len(checks)))
    if few is not None:
        return few(*checks)
    return _all(checks) if node.kind == "all" else _any(checks)


_FEW: dict[tuple[str, int], Callable[..., Check]] = {
    ("all", 2): lambda first, second: lambda facts: first(facts) and second(facts),
    ("any", 2): lambda first, second: lambda facts: first(facts) or second(facts),
    ("all", 3): lambda first, second, third: lambda facts: first(facts) and second(facts) and third(facts),
    ("any", 3): lambda first, second, third: lambda facts: first(facts) or second(facts) or third(facts),
}
"""Groups without a loop, which takes as long as a leaf."""


def _all(checks: tuple[Check, ...]) -> Check:
    def check_all(facts: Facts) -> bool:
        for check in checks:  # noqa: SIM110 - all() with a generator takes three times as long
            if not check(facts):
                return False
        return True

    return check_all


def _any(checks: tuple[Check, ...]) -> Check:
    def check_any(facts: Facts) -> bool:
        for check in checks:  # noqa: SIM110 - any() with a generator takes three times as long
            if check(facts):
                return True
        return False

    return check_any


def _two_fields(leaf: Leaf) -> Check:
    relation, field, other = RELATIONS[leaf.operator], leaf.field, str(leaf.other)
    if leaf.of_record:
        case = folded_value if leaf.ignore_case else _as_is
        return lambda facts: relation(case(facts.get(field)), case(_outside(facts).get(other)))
    if leaf.ignore_case:
        return lambda facts: relation(folded_value(facts.get(field)), folded_value(facts.get(other)))
    return lambda facts: relation(facts.get(field), facts.get(other))


def _outside(facts: Facts) -> Facts:
    assert facts.outside is not None, "such a comparison stands inside of a count only"
    return facts.outside


def _as_is(value: FieldValue) -> FieldValue:
    return value


def _one_field(leaf: Leaf) -> Check:
    relation, field, operand = RELATIONS[leaf.operator], leaf.field, leaf.operand
    if leaf.ignore_case:
        operand = folded_value(operand)
        return lambda facts: relation(folded_value(facts.get(field)), operand)
    return _quick(leaf, relation) or (lambda facts: relation(facts.get(field), operand))


def _quick(leaf: Leaf, relation: Relation) -> Check | None:
    """A faster check for the most common conditions; None for all others."""
    field, operand = leaf.field, leaf.operand
    if isinstance(operand, str):
        return _about_text(leaf, operand, relation)
    if isinstance(operand, int | float) and type(operand) in _NUMBERS and leaf.operator in ORDER:
        return _ORDERED[leaf.operator](field, operand)
    if (
        leaf.operator is O.IN
        and isinstance(operand, tuple)
        and all(isinstance(item, str) for item in operand)
    ):
        options = frozenset(operand)
        return lambda facts: type(value := facts.get(field)) is str and value in options
    return None


def _about_text(leaf: Leaf, operand: str, relation: Relation) -> Check | None:
    field = leaf.field
    checks: dict[O, Check] = {
        O.EQ: lambda facts: facts.get(field) == operand,
        O.NE: lambda facts: facts.get(field) != operand,
        O.CONTAINS: lambda facts: (
            operand in value if type(value := facts.get(field)) is str else relation(value, operand)
        ),
    }
    return checks.get(leaf.operator)


_ORDERED: dict[O, Callable[[str, float], Callable[[Any], bool]]] = {
    O.GT: lambda field, bound: lambda facts: type(value := facts.get(field)) in _NUMBERS and value > bound,
    O.GTE: lambda field, bound: lambda facts: type(value := facts.get(field)) in _NUMBERS and value >= bound,
    O.LT: lambda field, bound: lambda facts: type(value := facts.get(field)) in _NUMBERS and value < bound,
    O.LTE: lambda field, bound: lambda facts: type(value := facts.get(field)) in _NUMBERS and value <= bound,
}
"""Spelled out: calling a function that compares takes a third of a leaf's time. Any: the facts, whose values have an
order only if they are numbers."""


def _count(node: Count) -> Check:
    count, relation, operand = _counted(node), RELATIONS[node.operator], node.value
    return lambda facts: relation(count(facts), operand)


def _counted(node: Count) -> Callable[[Facts], int]:
    where, key, subject = compile_node(node.where), node.key, node.subject
    looks_outside = bool(record_names(node.where))

    def count(facts: Facts) -> int:
        known = facts.numbers.get(subject)
        if known is not None:
            return known
        rows = facts.counted.get(key, ())
        if looks_outside:
            for row in rows:
                row.outside = facts
        return sum(map(where, rows))

    return count


def compile_trace(node: Node) -> Tracer:
    """Compile `node` to one function that returns its trace."""
    if isinstance(node, Group):
        return _group_tracer(node)
    check = compile_node(node)
    traced = {"operator": node.operator.value, "value": node.value}
    if isinstance(node, Count):
        count = _counted(node)
        of = {} if node.of == RELATED else {"of": node.of}
        traced = {"count": node.relation, **of, "where": node.where_value, **traced}
        return lambda facts: traced | {"actual": count(facts), "result": check(facts)}
    field = node.field
    traced = {"field": field} | traced | ({"ignore_case": True} if node.ignore_case else {})
    return lambda facts: {**traced, "actual": _plain(facts.get(field)), "result": check(facts)}


def _group_tracer(node: Group) -> Tracer:
    kind, tracers = node.kind, [compile_trace(child) for child in node.children]
    verdict = all if kind == "all" else any

    def trace(facts: Facts) -> JsonObject:
        traces = [tracer(facts) for tracer in tracers]
        if kind == "not":
            return {"not": traces[0], "result": not traces[0]["result"]}
        shown: list[Json] = [*traces]
        return {kind: shown, "result": verdict([trace["result"] for trace in traces])}

    return trace


def _plain(value: FieldValue) -> Json:
    return value.isoformat() if isinstance(value, date) else value
