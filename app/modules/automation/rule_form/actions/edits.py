"""The list of actions as flat input: their order, the effect of its buttons, and the input for existing actions."""

import re

from app.business.automation.services.catalogue.actions.registry import CATALOGUE, made_by, stored_action
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import input_type
from app.modules.automation.rule_form.actions.params import text_of
from app.modules.automation.rule_form.base import Pairs
from app.modules.automation.rule_form.conditions.edits import changed as conditions_changed
from app.modules.automation.rule_form.conditions.from_rule import pairs_from as condition_pairs
from app.modules.gate.numbers import whole_number

NOT_CHOSEN = ""
"""The type of a new action: the form selects the one that fits best."""
ROW = re.compile(r"a(0|[1-9][0-9]{0,5})-type")


def order_of(pairs: Pairs) -> list[int]:
    """Numbers of the actions in their order."""
    found = (ROW.fullmatch(name) for name, _ in pairs)
    return list(dict.fromkeys(int(row[1]) for row in found if row))


def changed(pairs: Pairs, change: str) -> tuple[Pairs, str]:
    """The input after a button was pressed, and the id of the element that gets the focus.

    `up:a1` moves an action, `up:a1-when-c2` one of its conditions.
    """
    what, _, where = change.partition(":")
    if "-" in where:
        return conditions_changed(pairs, change)
    order = order_of(pairs)
    if what == "add":
        number = max(order, default=-1) + 1
        return [*pairs, [f"a{number}-type", NOT_CHOSEN]], f"a{number}-type"
    chosen = whole_number(where[1:])
    if chosen is None or chosen not in order:
        return pairs, ""
    if what == "remove":
        return [pair for pair in pairs if not pair[0].startswith(f"{where}-")], "add_action"
    if what in ("up", "down"):
        return _moved(pairs, order, chosen, what)
    return pairs, ""


def pairs_from(actions: list[JsonObject], record_type: str | None) -> Pairs:
    """The input for these actions of a rule on `record_type`."""
    made: list[str] = []
    pairs: Pairs = []
    for number, data in enumerate(actions):
        action = stored_action(data)
        prefix = f"a{number}-"
        pairs += [[f"{prefix}type", action.type], [f"{prefix}sent", action.type]]
        pairs.append([f"{prefix}on_error", action.on_error])
        if action.when and isinstance(when := action.when.written, dict):
            pairs += condition_pairs(when, input_type(action, record_type, made), f"{prefix}when-")
        made += [made_by(action) or ""]
        params = action.params_as_json()
        pairs += [
            [f"{prefix}p-{name}", text_of(value)]
            for name, value in (params.items() if isinstance(params, dict) else ())
            if value is not False or CATALOGUE[action.type].params.model_fields[name].default is True
        ]
    return pairs


def _moved(pairs: Pairs, order: list[int], number: int, way: str) -> tuple[Pairs, str]:
    at = order.index(number)
    to = min(max(at + (-1 if way == "up" else 1), 0), len(order) - 1)
    order[at], order[to] = order[to], order[at]
    rest = [pair for pair in pairs if not any(pair[0].startswith(f"a{one}-") for one in order)]
    if to in (0, len(order) - 1):
        way = "down" if to == 0 else "up"
    return rest + [
        pair for one in order for pair in pairs if pair[0].startswith(f"a{one}-")
    ], f"a{number}-{way}"
