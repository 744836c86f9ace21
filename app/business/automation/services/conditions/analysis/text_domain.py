"""Whether one text can satisfy several conditions: pairs are checked for known contradictions."""

from collections.abc import Callable, Sequence
from typing import Protocol

from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.conditions.nodes import Leaf, O
from app.business.folding import fold, words


class TextLiteral(Protocol):
    """A condition on a text and the result that is wanted of it (`domains.Literal`)."""

    @property
    def leaf(self) -> Leaf: ...

    @property
    def asked(self) -> tuple[O, bool]: ...

    def suits(self, value: FieldValue) -> bool: ...


def texts_can(literals: Sequence[TextLiteral]) -> bool:
    """False when no text satisfies all literals. The caller tries null."""
    named = [_named(literal) for literal in literals]
    exact = next((texts for texts, is_exact in filter(None, named) if is_exact), None)
    if exact is not None:
        return any(all(literal.suits(text) for literal in literals) for text in exact)
    folded = next((texts for texts, _ in filter(None, named)), None)
    if folded is not None:
        return any(all(_may_suit(literal, text) for literal in literals) for text in folded)
    return not any(_exclude(one, other) for one in literals for other in literals)


def _named(literal: TextLiteral) -> tuple[list[str], bool] | None:
    """The only texts that can satisfy the literal, and whether upper and lower case count; None where there is no
    limit."""
    operator, wanted = literal.asked
    leaf = literal.leaf
    if not wanted or operator not in (O.EQ, O.IN, O.IS_EMPTY):
        return None
    if operator is O.IS_EMPTY:
        return [""], True
    options = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    return [text for text in options if isinstance(text, str)], not leaf.ignore_case


def _may_suit(literal: TextLiteral, text: str) -> bool:
    """Whether the text, in some combination of upper and lower case, may satisfy the literal."""
    leaf = literal.leaf
    if leaf.ignore_case or literal.asked[0] is O.IS_EMPTY:
        return literal.suits(text)
    operator, wanted = literal.asked
    part = PARTS.get(operator)
    return not wanted or part is None or part(fold(text), fold(leaf.text))


PARTS: dict[O, Callable[[str, str], bool]] = {
    O.STARTS_WITH: lambda text, part: text.startswith(part),
    O.ENDS_WITH: lambda text, part: text.endswith(part),
    O.CONTAINS: lambda text, part: part in text,
}
"""Operators that still hold when both sides are case-folded."""


ASKING_FOR_A_PART = (*PARTS, O.HAS_WORD)
ENDS = (O.STARTS_WITH, O.ENDS_WITH)


def _exclude(one: TextLiteral, other: TextLiteral) -> bool:
    """Whether no text that satisfies the first literal can satisfy the second."""
    (operator, wanted), (against, other_wanted) = one.asked, other.asked
    if not wanted or operator not in ASKING_FOR_A_PART:
        return False
    if other_wanted:
        return operator is against and operator in ENDS and not _fit(operator, one.leaf, other.leaf)
    return _implies(operator, one.leaf, against, other.leaf)


def _fit(operator: O, one: Leaf, other: Leaf) -> bool:
    """Whether one text can start (or end) with both operands."""
    left, right = one.text, other.text
    if one.ignore_case or other.ignore_case:
        left, right = fold(left), fold(right)
    return PARTS[operator](left, right) or PARTS[operator](right, left)


def _implies(operator: O, one: Leaf, against: O, other: Leaf) -> bool:
    """Whether each text that satisfies the first condition satisfies the second."""
    if against not in ASKING_FOR_A_PART or (one.ignore_case and not other.ignore_case):
        return False
    left, right = one.text, other.text
    if other.ignore_case:
        left, right = fold(left), fold(right)
    if operator is O.HAS_WORD:
        return against is O.HAS_WORD and bool(words(right)) and f" {words(right)} " in f" {words(left)} "
    if against is O.CONTAINS:
        return right in left
    return operator is against and against in ENDS and PARTS[against](left, right)
