"""Compiles conditions to Python functions, by way of the syntax tree of an expression.

The tree is built from checked nodes. Fields, values and functions stand in it under names that are given here, so
nothing that somebody wrote is ever part of any code.
"""

import ast
from collections.abc import Callable
from datetime import date
from types import CodeType, FunctionType
from typing import TypeVar

from app.business.automation.services.catalogue.field_types import RELATED, FieldType, FieldValue
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import (
    AGE,
    Count,
    Group,
    Leaf,
    Node,
    O,
    record_names,
)
from app.business.automation.services.conditions.operators import RELATIONS, Check, age_check
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.folded_columns import folded_value

Tracer = Callable[[Facts], JsonObject]
Kind = TypeVar("Kind", bound=ast.AST)


def compile_node(node: Node) -> Check:
    """One function of facts: the verdict, found by as few of the conditions as decide it."""
    code = _Code()
    return code.function(code.verdict(node))


def compile_trace(node: Node) -> Tracer:
    """One function of facts: the trace, for which every condition is evaluated."""
    code = _Code()
    return code.function(code.trace(node)[0])


def _placed(kind: type[Kind]) -> type[Kind]:
    """That kind of syntax node, with the place in a source that each must have."""
    return type(kind.__name__, (kind,), {"lineno": 1, "col_offset": 0})


_Attribute = _placed(ast.Attribute)
_BoolOp = _placed(ast.BoolOp)
_Call = _placed(ast.Call)
_Compare = _placed(ast.Compare)
_Constant = _placed(ast.Constant)
_Dict = _placed(ast.Dict)
_IfExp = _placed(ast.IfExp)
_Lambda = _placed(ast.Lambda)
_List = _placed(ast.List)
_Name = _placed(ast.Name)
_NamedExpr = _placed(ast.NamedExpr)
_UnaryOp = _placed(ast.UnaryOp)


def _name(name: str) -> ast.expr:
    return _Name(name, ast.Load())


def _call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    return _Call(function, [*arguments], [])


def _kept(name: str, value: ast.expr) -> ast.expr:
    return _NamedExpr(_Name(name, ast.Store()), value)


_FACTS = _name("facts")
_GET = _Attribute(_FACTS, "get", ast.Load())
_ARGUMENTS = ast.arguments([], [_placed(ast.arg)("facts")], None, [], [], None, [])
_TYPE, _TEXT, _NUMBERS = map(_name, ("type", "text", "numbers"))
_NAMES = {"type": type, "text": str, "numbers": frozenset({int, float})}
_ORDERED: dict[O, ast.cmpop] = {O.GT: ast.Gt(), O.GTE: ast.GtE(), O.LT: ast.Lt(), O.LTE: ast.LtE()}
_EQUAL: dict[O, ast.cmpop] = {O.EQ: ast.Eq(), O.NE: ast.NotEq()}
_AND, _OR = ast.And(), ast.Or()


_PLAIN = (
    FieldType.TEXT,
    FieldType.NUMBER,
    FieldType.BOOLEAN,
    FieldType.CHOICE,
    FieldType.LIST,
    FieldType.REFERENCE,
)
"""Types whose values are JSON as they are."""


class _Code:
    """Expressions, and the values that stand in them by name."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {**_NAMES}
        self.variables = 0

    def function(self, expression: ast.expr) -> FunctionType:
        """The function of facts that returns what the expression says."""
        code = compile(ast.Expression(_Lambda(_ARGUMENTS, expression)), "<conditions>", "eval")
        (inner,) = (part for part in code.co_consts if isinstance(part, CodeType))
        return FunctionType(inner, self.names)

    def verdict(self, node: Node) -> ast.expr:
        if isinstance(node, Group):
            return self._joined(node, [self.verdict(child) for child in node.children])
        return self._met(node, self._actual(node))

    def trace(self, node: Node) -> tuple[ast.expr, str]:
        """The trace, and the variable in which it leaves the result."""
        result = self._variable()
        if isinstance(node, Group):
            traces = [self.trace(child) for child in node.children]
            shown, results = [trace for trace, _ in traces], [_name(name) for _, name in traces]
            said: dict[str, ast.expr] = {}
            said[node.kind] = shown[0] if node.kind == "not" else _List(shown, ast.Load())
            met = self._joined(node, results)
        else:
            name = self._variable()
            actual, again = _kept(name, self._actual(node)), _name(name)
            if isinstance(node, Leaf) and node.type not in _PLAIN:
                actual = _call(self._value(_plain), actual)
            said = {key: self._value(value) for key, value in _asked(node).items()} | {"actual": actual}
            met = self._met(node, again)
        said["result"] = _kept(result, met)
        return _Dict([*map(_Constant, said)], [*said.values()]), result

    def _value(self, value: object) -> ast.expr:
        name = f"value_{len(self.names)}"
        self.names[name] = value
        return _name(name)

    def _variable(self) -> str:
        self.variables += 1
        return f"variable_{self.variables}"

    def _joined(self, group: Group, results: list[ast.expr]) -> ast.expr:
        if group.kind == "not":
            return _UnaryOp(ast.Not(), results[0])
        if len(results) < 2:
            return results[0] if results else self._value(group.kind == "all")
        return _BoolOp(_AND if group.kind == "all" else _OR, results)

    def _actual(self, condition: Leaf | Count) -> ast.expr:
        if isinstance(condition, Count):
            return _call(self._value(_counted(condition)), _FACTS)
        return self._field(condition.field)

    def _field(self, name: str) -> ast.expr:
        return _call(_GET, self._value(name))

    def _met(self, condition: Leaf | Count, actual: ast.expr) -> ast.expr:
        """Whether a condition is met by the actual value."""
        if isinstance(condition, Count):
            return _call(self._value(RELATIONS[condition.operator]), actual, self._value(condition.value))
        if condition.operator in AGE or condition.operator is O.NOT_HANDLED_WITHIN:
            return _call(self._value(age_check(condition.operator, condition.operand)), actual, _FACTS)
        is_plain = condition.other is None and not condition.ignore_case
        return (is_plain and self._quick(condition, actual)) or self._related(condition, actual)

    def _related(self, leaf: Leaf, actual: ast.expr) -> ast.expr:
        operand = self._value(leaf.operand)
        if leaf.other is not None:
            outer = _call(self._value(_of_record), _FACTS, self._value(leaf.other))
            operand = outer if leaf.of_record else self._field(leaf.other)
        if leaf.ignore_case:
            fold = self._value(folded_value)
            actual, operand = _call(fold, actual), _call(fold, operand)
        return _call(self._value(RELATIONS[leaf.operator]), actual, operand)

    def _quick(self, leaf: Leaf, actual: ast.expr) -> ast.expr | None:
        """The most common conditions without a call of a function that compares; None for all others."""
        operator, operand = leaf.operator, leaf.operand
        if isinstance(operand, str) and operator in _EQUAL:
            return _Compare(actual, [_EQUAL[operator]], [self._value(operand)])
        if type(operand) in (int, float) and operator in _ORDERED:
            is_number, again = self._has_type(actual, ast.In(), _NUMBERS)
            return _BoolOp(_AND, [is_number, _Compare(again, [_ORDERED[operator]], [self._value(operand)])])
        if isinstance(operand, str) and operator is O.CONTAINS:
            is_text, again = self._has_type(actual, ast.Is(), _TEXT)
            part = self._value(operand)
            of_list = _call(self._value(RELATIONS[operator]), again, part)
            return _IfExp(is_text, _Compare(part, [ast.In()], [again]), of_list)
        if operator is O.IN and isinstance(operand, tuple) and all(type(one) is str for one in operand):
            is_text, again = self._has_type(actual, ast.Is(), _TEXT)
            return _BoolOp(_AND, [is_text, _Compare(again, [ast.In()], [self._value(frozenset(operand))])])
        return None

    def _has_type(self, actual: ast.expr, operator: ast.cmpop, types: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Whether the actual value is of these types, and the value once more."""
        again = actual
        if not isinstance(actual, ast.Name):
            name = self._variable()
            actual, again = _kept(name, actual), _name(name)
        return _Compare(_call(_TYPE, actual), [operator], [types]), again


def _asked(condition: Leaf | Count) -> JsonObject:
    """What a trace says of a condition, whatever the facts are."""
    asked: JsonObject = {"operator": condition.operator.value, "value": condition.value}
    if isinstance(condition, Leaf):
        return {"field": condition.field, **asked, **({"ignore_case": True} if condition.ignore_case else {})}
    of = {} if condition.of == RELATED else {"of": condition.of}
    return {"count": condition.relation, **of, "where": condition.where_value, **asked}


def _plain(value: FieldValue) -> Json:
    return value.isoformat() if isinstance(value, date) else value


def _of_record(facts: Facts, name: str) -> FieldValue:
    assert facts.outside is not None, "such a comparison stands inside of a count only"
    return facts.outside.get(name)


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
