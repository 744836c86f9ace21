"""Findings about the texts of actions: what stands in braces and is no field would be written as it was typed."""

from collections.abc import Iterator

from app.business.automation.services.catalogue.field_catalogue import RECORD_TYPES
from app.business.automation.services.catalogue.named_fields import NAMED, field_named
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.automation.services.preflight.preflight_finding import Finding, Level
from app.business.automation.services.rules.rule_definition import RuleDefinition
from app.business.events import EventType

OF_RECORDS = {"create_record": ("title", "description")}
OF_THE_ACCOUNT = {"notify": ("message",)}


def text_findings(rule: RuleDefinition) -> Iterator[Finding]:
    """A hint for each text with a name that no record has, or, where there is no record, the account has not."""
    for index, action in enumerate(rule.actions):
        for params, types, such_as in (
            (OF_RECORDS, (None, *RECORD_TYPES), "{site.name}"),
            (OF_THE_ACCOUNT, (None,), "{account.credits_available}"),
        ):
            for name in params.get(action["type"], ()):
                text = action.get("params", {}).get(name) or ""
                if unknown := _unknown(rule, text, types):
                    yield _hint(index, name, unknown, such_as)


def _unknown(rule: RuleDefinition, text: str, types: tuple[str | None, ...]) -> list[str]:
    of_run = RUN_FIELDS if rule.trigger == EventType.RUN_FINISHED else {}
    names = dict.fromkeys(NAMED.findall(text))
    return [
        name for name in names if name not in of_run and not any(field_named(name, type) for type in types)
    ]


def _hint(index: int, param: str, unknown: list[str], such_as: str) -> Finding:
    named = ", ".join(f"{{{name}}}" for name in unknown)
    sentence = f"Action {index + 1}: {named} names no field and would be written as it stands."
    advice = f"Take a field that can be asked for in conditions, such as {such_as}."
    return Finding("text_names_no_field", Level.HINT, sentence, advice, f"actions[{index}].params.{param}")
