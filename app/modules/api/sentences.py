"""The errors of a body or a query as sentences, from the typed errors of its schema."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

SHOWN_OF_NAME = 64
_QUOTED = re.compile(r"'([^']*)'")

JSON_WORDS = {"list_type": "It must be a valid array.", "dict_type": "It must be an object."}
"""Errors that mention Python's types."""


def sentences_of(schema: type[BaseModel], error: ValidationError) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False, include_input=False):
        path = ".".join(map(str, fault["loc"])) or "body"
        found.setdefault(path, []).append(_sentence(schema, fault))
    return found


def _sentence(schema: type[BaseModel], fault: ErrorDetails) -> str:
    about: Mapping[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            known = f" Known here: {', '.join(schema.model_fields)}." if len(fault["loc"]) == 1 else ""
            return f"“{str(fault['loc'][-1])[:SHOWN_OF_NAME]}” cannot be set.{known}"
        case "missing":
            return "This is required."
        case "enum" | "literal_error":
            return f"Choose one of: {', '.join(_QUOTED.findall(about['expected']))}."
        case "value_error":
            return _ended(str(about["error"]))
        case kind if kind in JSON_WORDS:
            return JSON_WORDS[kind]
    expected = fault["msg"].removeprefix("Input should be")
    return _ended(fault["msg"] if expected == fault["msg"] else f"It must be{expected}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
