"""Which conditions can never hold and which always hold, whatever the record.

"Never" and "always" are certain; where the analysis gives up, it answers "possible". It knows field types, closed
choices and fields that are never null; it knows nothing of dependencies between fields.
"""

from collections.abc import Callable, Iterable

from app.business.automation.services.conditions.analysis.domains import Literal, can_hold
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node

MOST_BRANCHES = 300
"""Branches of "any" groups that are tried before the answer is "possible"."""

ALWAYS = Group("all", ())


def possible(record_type: str | None, *nodes: Node) -> bool:
    """False when no record of that type can meet all of `nodes` at once."""
    return _Search(record_type).is_open([(node, True) for node in nodes], [])


def always(record_type: str | None, node: Node) -> bool:
    """True when every record of that type meets `node`."""
    return not possible(record_type, Group("not", (node,)))


def implies(record_type: str | None, one: Node, other: Node) -> bool:
    """True when every record that meets `one` meets `other`."""
    return not possible(record_type, one, Group("not", (other,)))


def kept(node: Node, keeps: Callable[[Leaf | Count], bool], wanted: bool = True) -> Node:
    """`node` reduced to the leaves that `keeps` accepts; the result is weaker: all that meets `node` meets it too."""
    if not isinstance(node, Group):
        if not keeps(node):
            return ALWAYS
        return node if wanted else Group("not", (node,))
    if node.kind == "not":
        return kept(node.children[0], keeps, not wanted)
    children = tuple(kept(child, keeps, wanted) for child in node.children)
    return Group("all" if _is_all(node, wanted) else "any", children)


def _is_all(group: Group, wanted: bool) -> bool:
    return (group.kind == "all") is wanted


class _Search:
    """Depth-first search for one branch that satisfies all nodes; a branch is a list of literals."""

    def __init__(self, record_type: str | None) -> None:
        self.record_type, self.left = record_type, MOST_BRANCHES

    def is_open(self, goals: Iterable[tuple[Node, bool]], held: list[Literal]) -> bool:
        """Whether all `goals` (nodes with their wanted results) may be satisfied together with the literals `held`."""
        held, choices = list(held), []
        pending = list(goals)
        while pending:
            node, wanted = pending.pop()
            if not isinstance(node, Group):
                held.append(Literal(node, wanted))
            elif node.kind == "not":
                pending.append((node.children[0], not wanted))
            elif _is_all(node, wanted):
                pending += [(child, wanted) for child in node.children]
            else:
                choices.append((node, wanted))
        if not self._fit(held):
            return False
        if not choices:
            return True
        choices.sort(key=lambda choice: len(choice[0].children))
        (group, wanted), *later = choices
        return any(self._try(child, wanted, later, held) for child in group.children)

    def _try(self, child: Node, wanted: bool, later: list[tuple[Group, bool]], held: list[Literal]) -> bool:
        self.left -= 1
        return self.left < 0 or self.is_open([(child, wanted), *later], held)

    def _fit(self, held: list[Literal]) -> bool:
        by_subject: dict[str, list[Literal]] = {}
        for literal in held:
            by_subject.setdefault(literal.subject, []).append(literal)
        return all(can_hold(literals, self.record_type) for literals in by_subject.values())
