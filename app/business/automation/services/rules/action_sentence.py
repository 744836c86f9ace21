"""One action of a rule in words, with every parameter that differs from its default."""

from collections.abc import Iterator

from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.parameters import Names, Said
from app.business.automation.services.catalogue.actions.registry import CATALOGUE


def action_words(action: Action, record_type: str | None, rules: Names, *, in_full: bool) -> str:
    """`generate content ideas (at most 3 for each cluster)`; the action's own condition is not included."""
    said = list(_said(action, record_type, rules, in_full))
    details = f" ({', '.join(said)})" if said else ""
    entry = CATALOGUE[action.type]
    phrase = entry.phrase(action.params) if action.is_readable else entry.label[0].lower() + entry.label[1:]
    return f"{phrase}{details}"


def _said(action: Action, record_type: str | None, rules: Names, in_full: bool) -> Iterator[str]:
    """Parameters that differ from their default, in the order of the catalogue."""
    entry, params = CATALOGUE[action.type], action.params
    for name, info in entry.params.model_fields.items():
        value, input = getattr(params, name), entry.inputs[name]
        if name not in params.model_fields_set or value is None:
            continue
        if input.phrase is None or (input.only_in_full and not in_full):
            continue
        if input.always or value != info.get_default(call_default_factory=True):
            said = _name_of(value) if input.names == "action" else value
            yield input.phrase(said, record_type, rules) if action.is_readable else _as_it_stands(name, value)


def _as_it_stands(name: str, value: Said) -> str:
    """A parameter of an action that needs repair: its own phrase takes only values of its type."""
    return f"{name.replace('_', ' ')} {value}"


def _name_of(action_type: Said) -> Said:
    entry = CATALOGUE.get(str(action_type))
    return entry.label if entry else action_type
