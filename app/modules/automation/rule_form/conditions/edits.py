"""The buttons beside conditions: add, remove, move, wrap in a group, unwrap a group.

A change is named `what:where`, like `up:a0-when-c3`. Entered values are never lost.
"""

import re
from collections.abc import Callable

from app.modules.automation.rule_form.base import Pairs
from app.modules.automation.rule_form.conditions.outline import Branch, ConditionOutline

WHERE = re.compile(r"((?:a\d{1,6}-when-)?(?:c\d{1,6}-where-)?)([cg]\d{1,6})")
OPPOSITE = {"all": "any"}


def changed(pairs: Pairs, change: str) -> tuple[Pairs, str]:
    """The input after a button was pressed, and the id of the element that gets the focus."""
    what, _, where = change.partition(":")
    found = WHERE.fullmatch(where)
    if what not in CHANGES or found is None:
        return pairs, ""
    outline = ConditionOutline(pairs, found[1])
    branch = outline.branches.get(found[2])
    if branch is None:
        return pairs, ""
    focus = CHANGES[what](outline, branch)
    return outline.pairs(), f"{found[1]}{focus}" if focus else ""


def _add(outline: ConditionOutline, group: Branch) -> str:
    row = outline.added("c", ("field", ""))
    group.put(row)
    return f"{row.name}-field"


def _add_group(outline: ConditionOutline, group: Branch) -> str:
    inner = outline.added("g", ("match", OPPOSITE.get(_match(group), "all")))
    group.put(inner)
    return _add(outline, inner)


def _remove(outline: ConditionOutline, branch: Branch) -> str:
    if branch.parent is None:
        return ""
    parent = branch.parent
    parent.inside.remove(branch)
    return f"{_tidied(outline, parent).name}-add"


def _wrap(outline: ConditionOutline, branch: Branch) -> str:
    """Wrap it in a new group."""
    if branch.parent is None:
        return ""
    parent, at = branch.parent, branch.parent.inside.index(branch)
    group = outline.added("g", ("match", OPPOSITE.get(_match(parent), "all")))
    parent.inside.remove(branch)
    parent.put(group, at)
    group.put(branch)
    return f"{group.name}-match"


def _unwrap(outline: ConditionOutline, group: Branch) -> str:
    """Replace the group by its contents."""
    if group.parent is None or not group.is_group:
        return ""
    parent, at = group.parent, group.parent.inside.index(group)
    parent.inside.remove(group)
    for number, child in enumerate(group.inside):
        parent.put(child, at + number)
    return _start_of(group.inside[0]) if group.inside else f"{_tidied(outline, parent).name}-add"


def _up(outline: ConditionOutline, branch: Branch) -> str:
    """Move it up by one: past a condition, into a group there, or out of its own group."""
    return _moved(outline, branch, -1)


def _down(outline: ConditionOutline, branch: Branch) -> str:
    return _moved(outline, branch, 1)


def _moved(outline: ConditionOutline, branch: Branch, by: int) -> str:
    parent = branch.parent
    if parent is None:
        return ""
    at = parent.inside.index(branch)
    if 0 <= at + by < len(parent.inside):
        beside = parent.inside[at + by]
        parent.inside.remove(branch)
        # Groups only swap with groups: inside of another group they might be nested too deeply.
        if beside.is_group and not branch.is_group:
            beside.put(branch, None if by < 0 else 0)
        else:
            parent.put(branch, at + by)
    elif parent.parent:
        parent.inside.remove(branch)
        parent.parent.put(branch, parent.parent.inside.index(parent) + max(by, 0))
        _tidied(outline, parent)
    return _arrow(outline, branch, "up" if by < 0 else "down")


def _arrow(outline: ConditionOutline, branch: Branch, way: str) -> str:
    """The same button again, or the opposite one at the end of the list."""
    if branch.parent is outline.root and branch is outline.root.inside[0 if way == "up" else -1]:
        way = "down" if way == "up" else "up"
    return f"{branch.name}-{way}"


def _tidied(outline: ConditionOutline, group: Branch) -> Branch:
    """Remove groups that have become empty; returns the nearest remaining group."""
    while not group.inside and group.parent is not None:
        group.parent.inside.remove(group)
        group = group.parent
    if not group.inside:
        # An empty "any of" never matches, but without conditions the rule takes every record.
        outline.root.pairs = []
    return group


def _match(group: Branch) -> str:
    return group.value("match") or "all"


def _start_of(branch: Branch) -> str:
    return f"{branch.name}-{'match' if branch.is_group else 'field'}"


CHANGES: dict[str, Callable[[ConditionOutline, Branch], str]] = {
    "add": _add,
    "add-group": _add_group,
    "remove": _remove,
    "wrap": _wrap,
    "unwrap": _unwrap,
    "up": _up,
    "down": _down,
}
