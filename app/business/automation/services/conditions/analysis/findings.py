"""Findings about conditions, in sentences: those that never hold, that always hold, and repeated ones.

Each remark names conditions by number and text: "Condition 2 and condition 4 can never both hold: volume is at least
500, and volume is below 100."
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.conditions.analysis.domains import Literal
from app.business.automation.services.conditions.analysis.satisfiability import always, implies, possible
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.nodes import Count, Group, Leaf, Node, walk

MOST_PAIRS = 3
"""Contradictions that are named one by one."""


@dataclass(frozen=True)
class Remark:
    """code: never, never_branch, always, twice or needless."""

    code: str
    sentence: str


def remarks_on(node: Node, record_type: str | None) -> list[Remark]:
    """All findings, the most serious first; empty for sound conditions."""
    if not possible(record_type, node):
        return [Remark("never", sentence) for sentence in _why_never(node, record_type)]
    groups = [item for item in walk(node) if isinstance(item, Group)]
    found = [Remark("never_branch", text) for group in groups for text in _dead_branches(group, record_type)]
    if _has_questions(node) and always(record_type, node):
        who = f"every {plural(1, record_type)[2:]}" if record_type else "every account at any time"
        found.append(Remark("always", f"These conditions hold for {who}, so they leave nothing out."))
    for group in groups:
        found += _repeated(group, record_type)
    return found


def _why_never(node: Node, record_type: str | None) -> list[str]:
    questions = _asked_together(node)
    alone = [item for item in questions if not possible(record_type, item)]
    if alone:
        return [
            f"{_place(item)} can never hold: {describe(item, record_type)}." for item in alone[:MOST_PAIRS]
        ]
    pairs = [pair for pair in combinations(questions, 2) if not possible(record_type, *pair)]
    if pairs:
        return [_contradiction(one, other, record_type) for one, other in pairs[:MOST_PAIRS]]
    return ["These conditions can never hold together."]


def _asked_together(node: Node) -> list[Leaf | Count]:
    """The conditions that must all hold, at any depth."""
    if not isinstance(node, Group):
        return [node]
    if node.kind == "not" or (node.kind == "any" and len(node.children) != 1):
        return []
    return [question for child in node.children for question in _asked_together(child)]


def _contradiction(one: Leaf | Count, other: Leaf | Count, record_type: str | None) -> str:
    first, second = describe(one, record_type), describe(other, record_type)
    return f"{_place(one)} and {_place(other).lower()} can never both hold: {first}, and {second}."


def _dead_branches(group: Group, record_type: str | None) -> Iterator[str]:
    if group.kind != "any":
        return
    for child in group.children:
        if not possible(record_type, child):
            why = " ".join(_why_never(child, record_type))
            yield f"{why} That alternative is never used."


def _repeated(group: Group, record_type: str | None) -> Iterator[Remark]:
    questions = [child for child in group.children if not isinstance(child, Group)]
    for one, other in combinations(questions, 2):
        if Literal(one, True).subject != Literal(other, True).subject or group.kind == "not":
            continue
        yield from _compared(one, other, group.kind == "all", record_type)


def _compared(
    one: Leaf | Count, other: Leaf | Count, is_all: bool, record_type: str | None
) -> Iterator[Remark]:
    forth, back = implies(record_type, one, other), implies(record_type, other, one)
    if forth and back:
        words = describe(one, record_type)
        yield Remark("twice", f"{_place(one)} and {_place(other).lower()} say the same: {words}.")
    elif forth or back:
        stronger, weaker = (one, other) if forth else (other, one)
        needless, beside = (weaker, stronger) if is_all else (stronger, weaker)
        why = "asks for more" if is_all else "lets in more"
        yield Remark(
            "needless",
            f"{_place(needless)} adds nothing: {_place(beside).lower()} ({describe(beside, record_type)}) "
            f"already {why} than “{describe(needless, record_type)}”.",
        )


def _has_questions(node: Node) -> bool:
    return any(not isinstance(item, Group) for item in walk(node))


def _place(question: Leaf | Count) -> str:
    return f"Condition {question.number}"
