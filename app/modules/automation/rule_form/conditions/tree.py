"""Conditions in the rule form: rows in groups, each group joined by all, any or none, nested as deep as rules allow."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from wtforms import Field, HiddenField, SelectField

from app.business.automation.services.conditions.parser import MOST_DEPTH, MOST_LEAVES
from app.business.automation.services.rule_parts import Json
from app.modules.automation.rule_form.base import Pairs, PartForm, form_data, offered
from app.modules.automation.rule_form.conditions.outline import Branch, ConditionOutline
from app.modules.automation.rule_form.conditions.row import ConditionRow, Named

MATCHES = [
    ("all", "all of these"), ("any", "any of these"), ("none", "none of these"), ("not", "not all of these"),
]  # fmt: skip
JOINED_BY = {"all": "and", "any": "or", "none": "or", "not": "and"}


class ConditionGroup:
    """Rows and groups, and how they are joined.

    key: its number in the input · above: its parent group, None for the outermost · depth: of its innermost JSON group.
    """

    is_group = True
    number = 0
    """Its number among the groups; 0 is the outermost."""

    def __init__(self, name: str, branch: Branch, above: "ConditionGroup | None", depth: int) -> None:
        self.name, self.key, self.above = name, branch.name[1:], above
        self.groups: list[ConditionGroup] = []
        self.children: list[ConditionGroup | ConditionRow] = []
        fields = {
            "match": SelectField("How they are joined", choices=offered(MATCHES)),
            "bare": HiddenField(),
        }
        data = form_data([f"{name}-{key}", value] for key, value in branch.pairs)
        self.form: Any = type("Group", (PartForm,), fields)(formdata=data, prefix=f"{name}-")
        self.match = self.form.match.data if self.form.match.data in JOINED_BY else "all"
        self.depth = depth + len(_path(self.match, len(branch.inside)))

    @property
    def is_bare(self) -> bool:
        """Whether its only condition is stored without a group around it."""
        return bool(self.form.bare.data) and self.match == "all" and len(self.children) == 1

    @property
    def join(self) -> str:
        """The word between its children."""
        return JOINED_BY[self.match]

    @property
    def may_hold_groups(self) -> bool:
        """Whether a nested group is still allowed."""
        return self.depth < MOST_DEPTH

    def may_wrap(self, child: "ConditionGroup | ConditionRow") -> bool:
        """Whether `child` may be wrapped in a group."""
        deepest = max((group.depth for group in _below(child)), default=self.depth)
        return deepest < MOST_DEPTH

    def take(self, child: "ConditionGroup | ConditionRow") -> None:
        """Append `child`."""
        self.children.append(child)
        if isinstance(child, ConditionGroup):
            self.groups.append(child)

    def json(self) -> Json:
        """As stored in rules."""
        nodes = [child.json() for child in self.children]
        if self.is_bare:
            return nodes[0]
        kinds = _path(self.match, len(nodes))
        node: Json = nodes[0] if kinds == ("not",) else {kinds[-1]: nodes}
        return {"not": node} if kinds[0] == "not" else node

    def places(self, path: str) -> dict[str, Field]:
        """Path in the JSON -> input, so that errors can be shown beside their input."""
        kinds = _path(self.match, len(self.children))
        inner = path if self.is_bare else f"{path}.{'.'.join(kinds)}"
        found: dict[str, Field] = {path: self.form.match}
        for index, child in enumerate(self.children):
            found |= child.places(inner if self.is_bare or kinds == ("not",) else f"{inner}[{index}]")
        return found


class ConditionTree:
    """All conditions of a rule, of one of its actions, or of a count.

    prefix: of the names of its inputs · depth: of the groups around it · numbers: of the next row · outside: inside a
    count, the type of the outer record · named: choices for references such as `site`.
    """

    def __init__(
        self, pairs: Pairs, record_type: str | None, named: Named, prefix: str = "",
        *, is_counted: bool = False, outside: str | None = None, depth: int = 0, numbers: Iterator[int] | None = None,
    ) -> None:  # fmt: skip
        self.prefix, self.record_type, self.named, self.is_counted = prefix, record_type, named, is_counted
        self.outside = outside
        self.numbers, self.group_numbers = numbers or count(1), count()
        outline = ConditionOutline(pairs, prefix)
        self.astray = {f"{prefix}{name}" for name in outline.astray}
        self.rows: list[ConditionRow] = []
        self.root = self._group(outline.root, None, depth)
        self.first, self.last = [
            outline.root.inside[at].name if outline.root.inside else "" for at in (0, -1)
        ]

    @property
    def is_full(self) -> bool:
        """Whether it has the maximum number of conditions."""
        return len(self.rows) >= MOST_LEAVES

    def json(self) -> Json:
        """The conditions as stored in rules; `{}` without any."""
        if not self.root.children and self.root.match == "all" and not self.root.form.bare.data:
            return {}
        return self.root.json()

    def fields_by_path(self, path: str = "conditions") -> dict[str, Field]:
        """Path in the rule -> input."""
        return self.root.places(path)

    def moves(self, child: ConditionGroup | ConditionRow) -> tuple[bool, bool]:
        """Whether it can move up, and whether it can move down."""
        return child.name != f"{self.prefix}{self.first}", child.name != f"{self.prefix}{self.last}"

    def _group(self, branch: Branch, above: ConditionGroup | None, depth: int) -> ConditionGroup:
        group = ConditionGroup(f"{self.prefix}{branch.name}", branch, above, depth)
        group.number = next(self.group_numbers)
        for inner in branch.inside:
            group.take(self._group(inner, group, group.depth) if inner.is_group else self._row(inner, group))
        return group

    def _row(self, branch: Branch, group: ConditionGroup) -> ConditionRow:
        name = f"{self.prefix}{branch.name}"
        row = ConditionRow(
            name,
            branch.pairs,
            self.record_type,
            self.named,
            may_count=not self.is_counted,
            outside=self.outside,
        )
        row.number = next(self.numbers)
        self.rows.append(row)
        if row.counted and not self.is_counted:
            own: Pairs = [[f"{name}-{key}", value] for key, value in branch.pairs]
            row.where = ConditionTree(
                own, row.counted, self.named, f"{name}-where-",
                is_counted=True, outside=self.record_type, depth=group.depth, numbers=self.numbers,
            )  # fmt: skip
        return row


def _path(match: str, size: int) -> tuple[str, ...]:
    """The JSON groups of a match, from outside: "none of" is not any of."""
    if match == "not":
        return ("not",) if size == 1 else ("not", "all")
    return ("not", "any") if match == "none" else (match,)


def _below(child: ConditionGroup | ConditionRow) -> Iterator[ConditionGroup]:
    if isinstance(child, ConditionGroup):
        yield child
        for group in child.groups:
            yield from _below(group)
