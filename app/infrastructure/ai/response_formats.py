"""JSON modes of services: a schema that the service enforces, any JSON object, or instructions in the prompt only."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel

Mode = Literal["json_schema", "json_object", "plain"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""The most exact one first."""
_NOT_ENFORCED_EVERYWHERE = {
    "title", "default", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern", "format",
}  # fmt: skip
"""Keywords that some services refuse in a strict schema; the answer is validated against them afterwards."""


def response_format(mode: Mode, answer: type[BaseModel] | None) -> dict[str, Any]:
    """The field `response_format` of a request, in a mapping that is empty where there is none."""
    if mode == "plain" or answer is None:
        return {}
    if mode == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = _strict(answer.model_json_schema())
    described = {"name": answer.__name__, "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def next_mode(mode: Mode) -> Mode | None:
    """The mode to try when the service does not support `mode`."""
    later = MODES[MODES.index(mode) + 1 :]
    return later[0] if later else None


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Every property required and no others, as strict schemas have to be."""
    strict: dict[str, Any] = {}
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            strict[name] = {key: _strict(part) for key, part in value.items()}
        elif name not in _NOT_ENFORCED_EVERYWHERE:
            strict[name] = _strict_part(value)
    if "properties" in strict:
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    return strict


def _strict_part(value: Any) -> Any:
    if isinstance(value, list):
        return [_strict_part(part) for part in value]
    return _strict(value) if isinstance(value, dict) else value


def mode_named(name: str | None) -> Mode:
    """The mode of that name; the most exact one where none is known."""
    return next((mode for mode in MODES if mode == name), MODES[0])
