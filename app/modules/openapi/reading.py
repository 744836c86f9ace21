"""Data for the pages of the API document: search, and one call with its fields described in words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from app.modules.openapi.examples import BODIES

Document = Mapping[str, Any]
_DEEPEST = 3
"""Depth to which fields of a body are listed; deeper ones are shown by type only."""


@dataclass(frozen=True)
class DocumentedCall:
    """One call of the document."""

    method: str
    path: str
    said: Document

    @property
    def name(self) -> str:
        return str(self.said["operationId"])

    @property
    def area(self) -> str:
        return str(self.said["tags"][0])


@dataclass(frozen=True)
class Value:
    """A parameter, or a field of a body, in words. `place`: path, query, header or body."""

    name: str
    place: str
    type: str
    is_required: bool
    description: str
    choices: tuple[str, ...] = ()


def operations(document: Document) -> list[DocumentedCall]:
    """Every call, sorted by path."""
    return [
        DocumentedCall(method.upper(), path, said)
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]


def matching(document: Document, text: str) -> list[DocumentedCall]:
    """Calls whose path, summary or description contain all words of the search."""
    words = text.casefold().split()
    return [call for call in operations(document) if all(word in _text(call) for word in words)]


def _text(call: DocumentedCall) -> str:
    said = call.said
    return f"{call.method} {call.path} {call.name} {said['summary']} {said.get('description', '')}".casefold()


def parameters(document: Document, call: DocumentedCall) -> list[Value]:
    """Path, query and header parameters."""
    found = [_resolved(document, parameter) for parameter in call.said.get("parameters", ())]
    return [
        Value(
            each["name"],
            each["in"],
            type_words(document, each["schema"]),
            each.get("required", False),
            each.get("description", ""),
            _choices(document, each["schema"]),
        )
        for each in found
    ]


def body_fields(document: Document, call: DocumentedCall) -> list[Value]:
    """The fields of the body; nested ones with their path."""
    schema = body_schema(call)
    return [*_fields(document, schema, "", _DEEPEST)] if schema else []


def body_schema(call: DocumentedCall) -> Document | None:
    """The schema of the body; None without a body."""
    content = call.said.get("requestBody", {}).get("content", {})
    return next((media["schema"] for media in content.values()), None)


def media_type(call: DocumentedCall) -> str:
    """The content type of the body; empty without a body."""
    return next(iter(call.said.get("requestBody", {}).get("content", ())), "")


def answer_fields(document: Document, call: DocumentedCall) -> list[Value]:
    """The fields of the successful response."""
    for status, answer in call.said["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        if status < "300" and schema:
            return [*_fields(document, schema, "", _DEEPEST)]
    return []


def marked(text: str) -> Markup:
    """The text as HTML, with backticks as code."""
    parts = text.split("`")
    drawn = (
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )
    return Markup("").join(drawn)


def example(call: DocumentedCall) -> str:
    """An example body as text; empty without a body."""
    body = BODIES.get(call.name)
    return json.dumps(body, indent=2, ensure_ascii=False) if body is not None else ""


def type_words(document: Document, schema: Document) -> str:
    """The type in a few plain words."""
    schema = _resolved(document, schema)
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if options:
        words = [type_words(document, option) for option in options]
        return " or ".join(dict.fromkeys(words))
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {type_words(document, schema.get('items', {}))}"
    if "enum" in schema or "const" in schema:
        return "one of these words"
    return _TYPES.get((kind, schema.get("format")), _TYPES.get((kind, None), "any value"))


_TYPES = {
    ("string", "date-time"): "time",
    ("string", "date"): "day",
    ("string", "binary"): "file",
    ("string", None): "text",
    ("integer", None): "whole number",
    ("number", None): "number",
    ("boolean", None): "true or false",
    ("object", None): "object",
    ("null", None): "null",
}
"""Words for JSON's types and their formats."""


def _fields(document: Document, schema: Document, before: str, levels: int) -> Iterator[Value]:
    whole = _resolved(document, schema)
    required = whole.get("required", ())
    for name, field in whole.get("properties", {}).items():
        known = _resolved(document, field)
        description = field.get("description") or known.get("description", "")
        yield Value(
            f"{before}{name}",
            "body",
            type_words(document, field),
            name in required,
            description,
            _choices(document, field),
        )
        inner = _inner(document, field)
        if inner and levels > 1:
            mark = "[]." if known.get("type") == "array" else "."
            yield from _fields(document, inner, f"{before}{name}{mark}", levels - 1)


def _inner(document: Document, schema: Document) -> Document | None:
    """The object schema of a field, or of its list's items; None if there is none or several alternatives."""
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        return _inner(document, schema.get("items", {}))
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return _inner(document, options[0])
    return schema if schema.get("properties") else None


def _choices(document: Document, schema: Document) -> tuple[str, ...]:
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        return _choices(document, schema.get("items", {}))
    options = [choice for option in schema.get("anyOf", ()) for choice in _choices(document, option)]
    return tuple(map(str, schema.get("enum", options)))


def _resolved(document: Document, part: Document) -> Document:
    if "$ref" not in part:
        return part
    found: Any = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**found, **{key: value for key, value in part.items() if key != "$ref"}}
