"""Parameters of addresses and headers."""

import re

from app.business.accounts.services.scope import LARGEST_ID
from app.modules.api.declaration import Call
from app.modules.api.resource import LIMIT_DEFAULT, LIMIT_MOST
from app.modules.openapi.parameter_words import OF_PATHS, OF_QUERIES
from app.modules.openapi.schemas import JsonDict, Schemas

Parameter = JsonDict

IF_MATCH: Parameter = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]*"(, "[!#-~]*")*)$'},
    "description": "Entity tags of the versions that may be changed, or `*`. Another one is refused with 412.",
}
IF_NONE_MATCH: Parameter = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$'},
    "description": "Entity tags of versions that are known: if it is one of them, the answer is 304 without a body.",
}
IDEMPOTENCY_KEY: Parameter = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": "The same key with the same body gives the first answer: nothing is started twice.",
}
_WINDOW: tuple[Parameter, ...] = (
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT_DEFAULT},
        "description": "How many results a page has.",
    },
    {
        "name": "cursor",
        "in": "query",
        "schema": {"type": "string"},
        "description": "`next` of the page before; left out for the first one.",
    },
    {
        "name": "count",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "Whether the answer says in `count` how many there are on all pages.",
    },
)
_IN_PATH = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


def path_parameters(call: Call) -> list[Parameter]:
    """Path parameters of the call."""
    return [
        _in_path(found["kind"], found["name"], call.path[: found.start()])
        for found in _IN_PATH.finditer(call.path)
    ]


def _in_path(kind: str | None, name: str, collection: str) -> Parameter:
    number = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
    schema: Parameter = number if kind == "int" else {"type": "string"}
    meaning = OF_PATHS.get(name, f"The id of one of `{collection}`.")
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": meaning}


def parameters_of(call: Call, schemas: Schemas) -> list[Parameter]:
    """Query parameters and headers of the call."""
    found = _filters(call, schemas) if call.query else []
    if call.is_list:
        found += [*_WINDOW, _fields(call)]
    if call.if_match:
        found.append({"$ref": "#/components/parameters/IfMatch"})
    if is_conditional(call):
        found.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if call.is_idempotent:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return found


def is_conditional(call: Call) -> bool:
    """Whether the answer can be that nothing has changed: to reading what has an entity tag."""
    return call.method == "GET" and call.if_match


def _fields(call: Call) -> Parameter:
    return {
        "name": "fields",
        "in": "query",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "items": {"type": "string", "enum": list(call.item_fields)}},
        "description": "The only keys that each result shall have, with commas between them.",
    }


def _filters(call: Call, schemas: Schemas) -> list[Parameter]:
    query = schemas.whole(call.query)
    required = query.get("required", ())
    return [_filter(name, schema, name in required) for name, schema in query.get("properties", {}).items()]


def _filter(name: str, schema: Parameter, required: bool) -> Parameter:
    """A query parameter; it is left out instead of sent as null."""
    said: Parameter = {"name": name, "in": "query", "schema": _without_null(schema)}
    if required:
        said["required"] = True
    said["description"] = said["schema"].pop("description", "") or OF_QUERIES[name]
    return said


def _without_null(schema: Parameter) -> Parameter:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key != "anyOf"} | (
        options[0] if len(options) == 1 else {"anyOf": options} if options else {}
    )
    if plain.get("default", ...) in (None, ""):
        del plain["default"]
    return plain
