"""A tree of conditions as flat input: the group and the position of each condition.

`c3-group=2` means that condition 3 is in group 2, `g2-group=0` that group 2 is in the outermost one. The order is that
of the page. Names begin with the tree's prefix: `a0-when-` for the conditions of an action, `c3-where-` for those of
the records that condition 3 counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.modules.automation.rule_form.base import Pairs

ROOT = "g0"
IN = "group"


@dataclass(eq=False)
class Branch:
    """A condition (`c3`) or a group (`g2`): its own input by key, except for its group, and its children."""

    name: str
    pairs: list[tuple[str, str]] = field(default_factory=list)
    inside: list["Branch"] = field(default_factory=list)
    parent: "Branch | None" = None

    @property
    def is_group(self) -> bool:
        """Whether it can have children."""
        return self.name.startswith("g")

    def value(self, key: str) -> str:
        """The input of its field `key`; empty without it."""
        return dict(self.pairs).get(key, "")

    def put(self, child: "Branch", at: int | None = None) -> None:
        """Add `child` at that position, or last."""
        child.parent = self
        self.inside.insert(len(self.inside) if at is None else at, child)

    def walk(self) -> Iterator["Branch"]:
        """It and all its descendants, from top to bottom."""
        yield self
        for child in self.inside:
            yield from child.walk()


class ConditionOutline:
    """The tree with the prefix `prefix`, and the rest of the input."""

    def __init__(self, pairs: Pairs, prefix: str = "") -> None:
        self.prefix = prefix
        own = re.compile(rf"{re.escape(prefix)}([cg]\d{{1,6}})-(.+)")
        self.others: Pairs = []
        self.branches: dict[str, Branch] = {}
        self.astray: set[str] = set()
        """Names with an invalid group: they are placed in the outermost group."""
        places: dict[str, str] = {}
        for name, value in pairs:
            found = own.fullmatch(name)
            if found is None:
                self.others.append([name, value])
                continue
            branch = self.branches.setdefault(found[1], Branch(found[1]))
            if found[2] == IN:
                places[found[1]] = f"g{value}"
            else:
                branch.pairs.append((found[2], value))
        self.root = self.branches.setdefault(ROOT, Branch(ROOT))
        for name, branch in self.branches.items():
            if name != ROOT:
                self._home(name, places).put(branch)

    def _home(self, name: str, places: dict[str, str]) -> Branch:
        """The group that it names; the outermost one if that is unknown or a descendant."""
        seen, above = {name}, places.get(name, ROOT)
        while above != ROOT:
            if above in seen or above not in self.branches:
                self.astray.add(name)
                return self.root
            seen.add(above)
            above = places.get(above, ROOT)
        return self.branches[places.get(name, ROOT)]

    def added(self, kind: str, *fields: tuple[str, str]) -> Branch:
        """A new condition (`c`) or group (`g`) with these fields; the caller places it."""
        numbers = [int(name[1:]) for name in self.branches if name.startswith(kind)]
        name = f"{kind}{max(numbers, default=-1) + 1}"
        self.branches[name] = Branch(name, list(fields))
        return self.branches[name]

    def pairs(self) -> Pairs:
        """The whole input again, the tree last."""
        found = list(self.others)
        for branch in self.root.walk():
            place = [(IN, branch.parent.name[1:])] if branch.parent else []
            found += [[f"{self.prefix}{branch.name}-{key}", value] for key, value in place + branch.pairs]
        return found
