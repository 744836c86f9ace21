"""Differences between the actions of two definitions: added, removed, moved, and changed parameters."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from app.business.automation.services.catalogue.actions.parameters import Input
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.conditions.description import describe
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.rules.sentence import NEEDS_REPAIR
from app.business.errors import Invalid
from app.modules.automation.rule_form.actions.form import ON_ERROR
from app.modules.automation.rule_form.choices import Choices

Action = Mapping[str, Any]
Difference = tuple[str, str | None, str | None]
NOTHING = "–"


def action_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], choices: Choices
) -> Iterator[Difference]:
    """(what, before, after) for each difference; None where the action is absent."""
    words = _Words(before["record_type"], after["record_type"], choices)
    old, new = before["actions"], after["actions"]
    keys = [_keys(old), _keys(new)]
    left: list[int] = []
    came: list[int] = []
    for what, start, end, first, last in SequenceMatcher(
        None, keys[0], keys[1], autojunk=False
    ).get_opcodes():
        if what != "equal":
            left += range(start, end)
            came += range(first, last)
    for index in list(left):
        twin = _twin(index, came, keys, old, new)
        if twin is not None:
            left.remove(index)
            came.remove(twin)
            yield from words.changed(index, twin, old[index], new[twin])
    yield from (("Action", f"{index + 1}. {words.whole(old[index], words.before)}", None) for index in left)
    yield from (("Action", None, f"{index + 1}. {words.whole(new[index], words.after)}") for index in came)


def _keys(actions: Sequence[Action]) -> list[str]:
    return [json.dumps(action, sort_keys=True) for action in actions]


def _twin(
    index: int, came: Sequence[int], keys: list[list[str]], old: Sequence[Action], new: Sequence[Action]
) -> int | None:
    """The same action at another position, else one of the same type."""
    same = [other for other in came if keys[1][other] == keys[0][index]]
    alike = [other for other in came if new[other]["type"] == old[index]["type"]]
    return next(iter([*same, *alike]), None)


class _Words:
    """Actions and their parameters in the words of the form."""

    def __init__(self, before: str | None, after: str | None, choices: Choices) -> None:
        self.before, self.after, self.lookups = before, after, choices.lookups

    def changed(self, at: int, now_at: int, old: Action, new: Action) -> Iterator[Difference]:
        """The change of position, then every parameter that differs."""
        label = CATALOGUE[new["type"]].label
        if at != now_at:
            yield f"Order of “{label}”", f"action {at + 1}", f"action {now_at + 1}"
        said, said_now = self.parameters(old, self.before), self.parameters(new, self.after)
        for name in {**said, **said_now}:
            pair = said.get(name, NOTHING), said_now.get(name, NOTHING)
            if pair[0] != pair[1]:
                yield f"Action {now_at + 1}, {label}: {name}", *pair

    def whole(self, action: Action, record_type: str | None) -> str:
        """`Generate content ideas (Ideas for each cluster, at most: 5)`."""
        said = "; ".join(f"{name}: {value}" for name, value in self.parameters(action, record_type).items())
        label = CATALOGUE[action["type"]].label
        return f"{label} ({said})" if said else label

    def parameters(self, action: Action, record_type: str | None) -> dict[str, str]:
        """Label -> value of the parameters that are set."""
        entry, params = CATALOGUE[action["type"]], action.get("params", {})
        said = {
            entry.input(name).label: self.value(entry.input(name), value, record_type)
            for name, value in params.items()
            # A parameter that is true by default is listed where it is false.
            if value not in (None, [], "") and (value is not False or entry.is_assumed(name))
        }
        if action.get("on_error", "stop") != "stop":
            said["If it fails"] = dict(ON_ERROR)[action["on_error"]]
        if action.get("when"):
            said["Only where"] = _condition(action, record_type)
        return said

    def value(self, input: Input, value: Any, record_type: str | None) -> str:
        """One parameter's value in words."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if input.names in self.lookups:
            return dict(self.lookups[input.names]).get(str(value), str(value))
        if input.names == "status" and record_type:
            return dict(choices_of(record_type, "status")).get(value, str(value))
        if isinstance(value, int):
            return f"{value:,}"
        return input.words.get(value, str(value))


def _condition(action: Action, record_type: str | None) -> str:
    taken = CATALOGUE[action["type"]].needed or record_type
    try:
        return describe(parse_conditions(action["when"], record_type=taken), taken)
    except Invalid:
        return NEEDS_REPAIR
