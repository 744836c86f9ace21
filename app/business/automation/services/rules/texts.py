"""Checks the texts in a rule's actions: every name in braces must be one that can be filled in."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.named_fields import CALLED, has_broken_each, unknown_names
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.automation.services.rule_parts import Json
from app.business.automation.services.rules.fields import RuleFields
from app.business.events import EventType
from app.business.plain_characters import fault_of_body, fault_of_line

EACH_WRONG = "“{each: …}” is not written to its end. Write it like {each: {title}}."


class Wrong(NamedTuple):
    """A text that cannot be filled in: its path, and the reason in one sentence."""

    path: str
    sentence: str


def wrong_texts(rule: RuleFields) -> Iterator[Wrong]:
    """Every text of the rule with a name that cannot be filled in."""
    for index, action in enumerate(rule.actions):
        entry = CATALOGUE.get(action.type)
        if entry is None:  # The rule needs repair.
            continue
        record_type = rule.record_type if entry.texts_of_records else None
        if record_type not in RECORD_TYPES:
            record_type = None
        for param in (name for name, input in entry.inputs.items() if input.template):
            text = getattr(action.params, param) or ""
            sentence = _wrong(text, record_type, rule.trigger)
            if sentence:
                yield Wrong(f"actions[{index}].params.{param}", f"Action {index + 1}: {sentence}")


def text_errors(rule: RuleFields) -> dict[str, list[str]]:
    """The same as errors by field path."""
    return {wrong.path: [wrong.sentence] for wrong in wrong_texts(rule)}


def character_errors(rule: RuleFields) -> dict[str, list[str]]:
    """Errors of texts with control characters: the rule's own texts, parameters, and values of conditions."""
    errors = {}
    for path, text, fault_of in _texts(rule):
        if fault := fault_of(text):
            errors[path] = [fault]
    return errors


def _texts(rule: RuleFields) -> Iterator[tuple[str, str, Callable[[str], str | None]]]:
    yield "description", rule.description, fault_of_body
    yield from _values("conditions", rule.conditions)
    for index, action in enumerate(rule.actions):
        yield from _values(f"actions[{index}].when", action.when.written if action.when else None)
        inputs = CATALOGUE[action.type].inputs
        for name, value in action.params:
            fault_of = fault_of_body if inputs[name].several_lines else fault_of_line
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    yield f"actions[{index}].params.{name}", text, fault_of


def _values(path: str, node: Json) -> Iterator[tuple[str, str, Callable[[str], str | None]]]:
    """All texts that conditions compare with, at any depth."""
    if isinstance(node, str):
        yield path, node, fault_of_line
    elif isinstance(node, list):
        for index, child in enumerate(node):
            # All values of one condition share one input.
            yield from _values(path if path.endswith(".value") else f"{path}[{index}]", child)
    elif isinstance(node, dict):
        for key, child in node.items():
            yield from _values(f"{path}.{key}", child)


def _wrong(text: str, record_type: str | None, trigger: str) -> str:
    if has_broken_each(text):
        return EACH_WRONG
    unknown = unknown_names(text, record_type, trigger)
    if not unknown:
        return ""
    named = ", ".join(f"{{{name}}}" for name in unknown)
    verb = "names" if len(unknown) == 1 else "name"
    what = f"a {record_type}" if record_type else "the account"
    return f"{named} {verb} no field of {what}, so it cannot be filled in. {_advice(unknown[0], record_type, trigger)}"


def _advice(name: str, record_type: str | None, trigger: str) -> str:
    called = CALLED.values() if record_type else ()
    known = [*called, *fields_of(record_type), *(RUN_FIELDS if trigger == EventType.RUN_FINISHED else ())]
    wanted = name.lower().replace(" ", "_")
    near = wanted if wanted in known else next(iter(get_close_matches(wanted, known, 1)), None)
    usual = "site.name" if record_type else "account.credits_available"
    return (
        f"Did you mean {{{near}}}?"
        if near
        else f"Take a field that conditions can ask for, like {{{usual}}}."
    )
