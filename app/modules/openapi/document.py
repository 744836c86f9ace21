"""The OpenAPI 3.1 document of the REST API, generated from its declarations."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from flask import Flask

from app.modules.access import SAFE_METHODS
from app.modules.api.bodies import MOST_AT_ONCE
from app.modules.api.declaration import Call, Media, declared_calls
from app.modules.api.resource import PARTIAL_LIST
from app.modules.openapi.examples import BODIES
from app.modules.openapi.parameters import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    is_conditional,
    parameters_of,
    path_parameters,
)
from app.modules.openapi.problems import PROBLEM_SCHEMA, problem_answers
from app.modules.openapi.rules import describe_records, describe_rules
from app.modules.openapi.schemas import Direction, JsonDict, Schemas
from app.modules.openapi.texts import ABOUT, AREAS, ROLES

API_VERSION = "1.0"
"""Version of the API, not of the product; the major number changes with incompatible changes."""
_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


def openapi_document(app: Flask) -> JsonDict:
    """Generate the document; it depends on the code only."""
    calls = sorted(declared_calls(app).values(), key=lambda call: (call.path, call.method))
    schemas = Schemas(_types(calls))
    paths: dict[str, JsonDict] = {}
    for call in calls:
        paths.setdefault(_CONVERTER.sub(r"{\1}", call.path), {})[call.method.lower()] = _operation(
            call, schemas
        )
    describe_rules(schemas.components)
    describe_records(schemas.components)
    areas = {_area(call) for call in calls}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "IGNY8 Automation",
            "version": API_VERSION,
            "description": ABOUT,
            "contact": {"name": "The owners of your account"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This console"}],
        "tags": [{"name": name, "description": text} for name, text in AREAS.items() if name in areas],
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": {
                "IfMatch": IF_MATCH,
                "IfNoneMatch": IF_NONE_MATCH,
                "IdempotencyKey": IDEMPOTENCY_KEY,
            },
            "headers": _HEADERS,
            "schemas": _used(paths, schemas.components | _COMMON_SCHEMAS),
        },
    }


@cache
def document_of(app: Flask) -> JsonDict:
    """The document, cached for the process."""
    return openapi_document(app)


def _types(calls: Iterable[Call]) -> Iterator[tuple[Any, Direction]]:
    for call in calls:
        if call.query:
            yield call.query, "validation"
        if call.body:
            yield call.body.schema, "validation"
        for answer in call.answers.values():
            if answer is not None and not isinstance(answer, Media):
                yield answer, "serialization"


def _used(paths: JsonDict, schemas: JsonDict) -> JsonDict:
    """The schemas that calls refer to, directly or through others, by name."""
    found: set[str] = set()
    ahead = _referred(paths)
    while ahead:
        found |= ahead
        ahead = {name for known in ahead for name in _referred(schemas[known])} - found
    return {name: schemas[name] for name in sorted(found)}


def _referred(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))


def _operation(call: Call, schemas: Schemas) -> JsonDict:
    summary, _, more = call.description.partition("\n\n")
    operation: JsonDict = {
        "operationId": call.name,
        "tags": [_area(call)],
        "summary": _sentence(summary),
        "description": "\n\n".join(filter(None, [_sentence(more), _who(call)])),
        "parameters": [*path_parameters(call), *parameters_of(call, schemas)],
        "responses": _responses(call, schemas),
        "security": _security(call),
    }
    if call.body and call.body.reading != "nothing":
        operation["requestBody"] = _request_body(call, schemas)
    return {key: value for key, value in operation.items() if value not in ([], "")}


def _request_body(call: Call, schemas: Schemas) -> JsonDict:
    assert call.body
    # In a PATCH every field is optional.
    schema = schemas.optional(call.body.schema) if call.method == "PATCH" else schemas.ref(call.body.schema)
    if call.body.reading == "one or many":
        many = {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_AT_ONCE}
        schema = {"oneOf": [schema, many]}
    content: JsonDict = {"schema": schema}
    if example := BODIES.get(call.name):
        content["example"] = example
    return {"required": call.body.is_required, "content": {call.body.media_type: content}}


def _responses(call: Call, schemas: Schemas) -> JsonDict:
    answers: dict[str, JsonDict] = {
        str(status): _answer(call, status, answer, schemas) for status, answer in call.answers.items()
    }
    if is_conditional(call):
        answers["304"] = {
            "description": _MEANINGS[304],
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        }
    return answers | problem_answers(call)


def _answer(call: Call, status: int, answer: Any, schemas: Schemas) -> JsonDict:
    described: JsonDict = {"description": _MEANINGS[status]}
    headers = ["ETag"] if call.if_match and answer is not None else []
    if status == 201:
        headers.append("Location")
    if headers:
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    if isinstance(answer, Media):
        described["content"] = {kind: {} for kind in (answer.type, *answer.others)}
    elif answer is not None:
        described["content"] = {"application/json": {"schema": schemas.ref(answer, "serialization")}}
        if call.is_list:
            described["content"][PARTIAL_LIST] = {"schema": {"$ref": "#/components/schemas/PartialList"}}
    return described


def _security(call: Call) -> list[Mapping[str, list[str]]]:
    """An API key, or a browser session, which needs its CSRF token for every change."""
    in_browser = ("session",) if call.method in SAFE_METHODS else ("session", "csrfToken")
    if call.permission.has_proof:
        return [{"signature": []}]
    scope = call.permission.scope
    return [{"key": [scope] if scope else []}, {name: [] for name in in_browser}]


def _who(call: Call) -> str:
    role = ROLES[call.permission.role] if call.permission.role else ""
    whole = "People limited to some sites may not." if call.permission.whole_account else ""
    scope = (
        f"A key that is limited to scopes needs `{call.permission.scope}`." if call.permission.scope else ""
    )
    return " ".join(filter(None, [role, whole, scope]))


def _area(call: Call) -> str:
    area = call.path.split("/")[2]
    return area if area in AREAS else "document"


def _sentence(docstring: str) -> str:
    """The text without the line breaks of the source."""
    return "\n\n".join(" ".join(part.split()) for part in docstring.split("\n\n"))


_PARTIAL_LIST: JsonDict = {
    "type": "object",
    "title": "PartialList",
    "description": "A list asked for with `fields`: its results have these keys alone.",
    "required": ["results", "next"],
    "properties": {
        "results": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"]},
        "count": {"type": "integer", "minimum": 0},
    },
}
_COMMON_SCHEMAS: JsonDict = {"Problem": PROBLEM_SCHEMA, "PartialList": _PARTIAL_LIST}
_MEANINGS = {
    200: "The answer.",
    201: "It is made; `Location` has its address where it has one.",
    202: "It is accepted and will be done; the answer says how to follow it.",
    304: "It has not changed: it is a version that `If-None-Match` names.",
    204: "It is done; there is nothing to say.",
}
_SECURITY: JsonDict = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of the console (page *API keys*): it has the role of the person who made it. "
        "It may be limited to scopes; the scope that a call needs is named here.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "console",
        "description": "The session of a browser.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks: signs `webhook-id`, `webhook-timestamp` and the body with the secret.",
    },
    "csrfToken": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "The token of the session's pages, with every change.",
    },
}
_HEADERS: JsonDict = {
    "ETag": {
        "schema": {"type": "string"},
        "description": "The version of what is shown; send it back in `If-Match` to change only this version.",
    },
    "Location": {"schema": {"type": "string"}, "description": "The address of what was made."},
    "RetryAfter": {
        "schema": {"type": "integer", "minimum": 0},
        "description": "Seconds after which the same request is worth sending again.",
    },
}
