"""Conditions in the rule form: rows of field, question and value, joined by all, any or none, one level of groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import Field, HiddenField, SelectField

from app.business.automation.services.condition_nodes import EMPTINESS
from app.business.automation.services.field_catalogue import FieldType
from app.modules.automation.condition_fields import COUNT, field_choices, field_named, other_fields
from app.modules.automation.condition_input import OTHER, inputs_of, operator_choices, value_fields, value_of
from app.modules.automation.step_form import Pairs, PartForm, form_data, offered

MATCHES = [("all", "all of these"), ("any", "any of these"), ("none", "none of these")]
KINDS = {"all": "all", "any": "any", "none": "not.any"}
NAMED = ("site", "sector", "assignee")
"""References that are chosen by name, not typed as a number."""

Named = Callable[[str], list[tuple[str, str]]]


class ConditionRow:
    """One condition: `field`, `operator`, and the inputs of its value."""

    def __init__(self, number: int, data: MultiDict[str, str], record_type: str | None, named: Named) -> None:
        self.number, prefix = number, f"c{number}-"
        name = data.get(f"{prefix}field") or ""
        self.about = field_named(record_type, name)
        # A field that the record type no longer has keeps its name, so that the check of the rule refuses it.
        self.name = name or self.about.name
        self.is_count = name.startswith(COUNT)
        asked = operator_choices(self.about, is_count=self.is_count)
        self.operator = _known(data.get(f"{prefix}operator"), asked)
        others = other_fields(record_type, self.about.type, self.about.name)
        fields = {
            "group": HiddenField(),
            "case": HiddenField(),
            "field": SelectField("Field", choices=offered(field_choices(record_type))),
            "operator": SelectField("Question", choices=offered(asked)),
            **value_fields(self.about, self.operator, named, others),
        }
        self.form = type("Row", (PartForm,), fields)(formdata=data, prefix=prefix)

    @property
    def group(self) -> int:
        """0: directly below the top; else the number of its group."""
        return int(self.form.group.data) if (self.form.group.data or "").isdigit() else 0

    @property
    def inputs(self) -> list[Field]:
        """The inputs of the value, in order."""
        return [self.form[name] for name in ("value", "value2", "unit") if name in self.form]

    def leaf(self) -> dict[str, Any]:
        """The condition as JSON."""
        operator = self.operator.removesuffix(OTHER)
        value = value_of(self.about, self.operator, self.form.data)
        if self.is_count:
            _, relation, *status = self.about.name.split(":")
            where = {"field": "status", "operator": "eq", "value": status[0]} if status else {}
            return {"count": relation, "where": where, "operator": operator, "value": value}
        leaf: dict[str, Any] = {"field": self.name, "operator": operator}
        if operator not in EMPTINESS:
            leaf["value"] = value
            if self.about.type in (FieldType.TEXT, FieldType.LIST) and self.form.case.data != "exact":
                return leaf | {"ignore_case": True}
        return leaf


class ConditionGroup:
    """Rows that stand together, and how they are joined."""

    def __init__(self, number: int, data: MultiDict[str, str], rows: list[ConditionRow]) -> None:
        self.number, self.rows = number, [row for row in rows if row.group == number]
        fields = {"match": SelectField("How they are joined", choices=offered(MATCHES))}
        self.form = type("Group", (PartForm,), fields)(
            formdata=data if f"g{number}-match" in data else None, prefix=f"g{number}-"
        )
        self.match = self.form.match.data if self.form.match.data in KINDS else "all"


class ConditionsInput:
    """All rows of the form. `named` gives choices for references such as `site`."""

    def __init__(self, pairs: Pairs, record_type: str | None, named: Named) -> None:
        data = form_data(pairs)
        numbers = sorted({int(name[1:-6]) for name in data if _is_row(name)})
        rows = [ConditionRow(number, data, record_type, named) for number in numbers]
        groups = sorted({row.group for row in rows} | {0})
        self.groups = [ConditionGroup(number, data, rows) for number in groups]

    def json(self) -> dict[str, Any]:
        """The conditions as a rule keeps them; `{}` without rows."""
        top, *others = self.groups
        nodes = [row.leaf() for row in top.rows]
        nodes += [_joined(group.match, [row.leaf() for row in group.rows]) for group in others]
        return _joined(top.match, nodes) if nodes else {}

    def fields_by_path(self) -> dict[str, Field]:
        """Where in the JSON each row stands, so that a refusal can be shown beside it."""
        top, *others = self.groups
        start = f"conditions.{KINDS[top.match]}"
        places = [(f"{start}[{index}]", row) for index, row in enumerate(top.rows)]
        for at, group in enumerate(others, len(top.rows)):
            inner = f"{start}[{at}].{KINDS[group.match]}"
            places += [(f"{inner}[{index}]", row) for index, row in enumerate(group.rows)]
        return {path: field for place, row in places for path, field in _places(place, row).items()}


def changed(pairs: Pairs, change: str) -> Pairs:
    """The input after a press of "Add", "Add a group" or "Remove"; what was typed stays."""
    what, _, number = change.partition(":")
    numbers = [int(name[1:-6]) for name, _ in pairs if _is_row(name)]
    groups = [int(value) for name, value in pairs if name.endswith("-group") and value.isdigit()]
    row = max(numbers, default=-1) + 1
    if what == "add" and number.isdigit():
        return [*pairs, [f"c{row}-group", number], [f"c{row}-field", ""]]
    if what == "add-group":
        group = max(groups, default=0) + 1
        return [*pairs, [f"g{group}-match", "any"], [f"c{row}-group", str(group)], [f"c{row}-field", ""]]
    if what == "remove":
        return [pair for pair in pairs if not pair[0].startswith(f"c{number}-")]
    return pairs


def pairs_from(conditions: Mapping[str, Any], record_type: str | None) -> Pairs | None:
    """The rows that stand for these conditions; None when they are nested deeper than the form shows."""
    if not conditions:
        return []
    match, children = _opened(conditions) or ("all", [dict(conditions)])
    pairs, row, group = [["g0-match", match]], 0, 0
    for child in children:
        inner = _opened(child)
        if inner:
            group += 1
            pairs.append([f"g{group}-match", inner[0]])
        for leaf in inner[1] if inner else [child]:
            if not _is_plain(leaf):
                return None
            pairs += [
                [f"c{row}-{key}", text] for key, text in _leaf_pairs(leaf, group if inner else 0, record_type)
            ]
            row += 1
    return pairs


def _is_plain(leaf: Mapping[str, Any]) -> bool:
    where = leaf.get("where")
    plain_where = not where or (where.get("field"), where.get("operator")) == ("status", "eq")
    return plain_where and not {"all", "any", "not"} & set(leaf) and leaf.get("value", "") is not None


def _leaf_pairs(leaf: Mapping[str, Any], group: int, record_type: str | None) -> list[tuple[str, str]]:
    operator, value, name = str(leaf["operator"]), leaf.get("value"), _name_of(leaf)
    case = "" if leaf.get("ignore_case") else "exact"
    about = field_named(record_type, name)
    inputs = {} if operator in EMPTINESS else inputs_of(about, operator, value)
    pairs = [("group", str(group)), ("case", case), ("field", name)]
    pairs.append(("operator", operator + (OTHER if isinstance(value, dict) else "")))
    if isinstance(inputs.get("value"), list):
        chosen = about.choices or about.name in NAMED
        return [
            *pairs,
            *(("value", item) for item in (inputs["value"] if chosen else [", ".join(inputs["value"])])),
        ]
    return [*pairs, *inputs.items()]


def _name_of(leaf: Mapping[str, Any]) -> str:
    if "count" not in leaf:
        return str(leaf.get("field", "handled_at"))
    status = (leaf.get("where") or {}).get("value")
    return f"{COUNT}{leaf['count']}:{status}" if status else f"{COUNT}{leaf['count']}"


def _known(operator: str | None, asked: Any) -> str:
    names = (
        [name for group in asked.values() for name, _ in group]
        if isinstance(asked, dict)
        else [name for name, _ in asked]
    )
    return operator if operator is not None and operator in names else str(names[0])


def _joined(match: str, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"not": {"any": list(nodes)}} if match == "none" else {match: list(nodes)}


def _opened(node: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]] | None:
    if "all" in node or "any" in node:
        kind = "all" if "all" in node else "any"
        return kind, node[kind]
    inner = node.get("not")
    return ("none", inner["any"]) if isinstance(inner, dict) and "any" in inner else None


def _places(place: str, row: ConditionRow) -> dict[str, Field]:
    places = {place: row.form.field, f"{place}.field": row.form.field, f"{place}.operator": row.form.operator}
    return places | {f"{place}.value": row.inputs[0] if row.inputs else row.form.operator}


def _is_row(name: str) -> bool:
    return name.startswith("c") and name.endswith("-field") and name[1:-6].isdigit()
