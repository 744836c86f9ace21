"""What pydantic finds wrong with a definition, as our sentences by field path."""

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.business.automation.services.rule_parts import part_errors
from app.business.schema_sentences import sentence_of

STARTING = ("trigger", "record_type", "trigger_options")
"""Fields that together define what starts the rule, in the order of their checks."""


def field_errors(error: ValidationError) -> dict[str, list[str]]:
    """pydantic's errors as field path -> sentences; unknown keys are refused by name.

    Errors of nested parts are reported only where all other fields are valid: see `_parts`.
    """
    errors: dict[str, list[str]] = {}
    faults = error.errors()
    plain = [fault for fault in faults if part_errors(fault) is None]
    if not plain:
        return _parts(faults)
    for item in plain:
        path = _path(item["loc"])
        errors.setdefault(path, []).append(sentence_of(item))
    return errors


def _parts(faults: Iterable[ErrorDetails]) -> dict[str, list[str]]:
    """Errors of parts. Trigger, record type and options depend on one another, so only the first error is reported."""
    by_field = {str(fault["loc"][0]): part_errors(fault) or {} for fault in faults}
    starting = next((by_field[name] for name in STARTING if name in by_field), {})
    return starting | by_field.get("schedule", {}) | by_field.get("actions", {})


def action_errors(error: ValidationError) -> dict[str, list[str]]:
    """Sentences by path within the action: errors of the action itself come before those of its parameters."""
    faults = {fault["loc"] for fault in error.errors()}
    if ("on_error",) in faults:
        return {".on_error": ["on_error is stop or continue."]}
    if ("params",) in faults:
        return {".params": ["params is an object."]}
    return {f".{path}": texts for path, texts in field_errors(error).items()}


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else part)
    return path
