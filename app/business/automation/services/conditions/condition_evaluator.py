"""Evaluates conditions on facts: the result, and the trace that explains it. Meaning of the operators: `operators`."""

from typing import ClassVar
from weakref import WeakKeyDictionary

from app.business.automation.services.conditions.compiled import Tracer, compile_node, compile_trace
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import Node
from app.business.automation.services.conditions.operators import Check
from app.business.automation.services.rule_parts import JsonObject


class ConditionEvaluator:
    """Compiles each tree once in a process, for as long as somebody holds it."""

    _checks: ClassVar[WeakKeyDictionary[Node, Check]] = WeakKeyDictionary()
    _tracers: ClassVar[WeakKeyDictionary[Node, Tracer]] = WeakKeyDictionary()

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
