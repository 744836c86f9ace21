"""A client of the API in one file of typed Python, written from its document: no library is needed to use it.

One TypedDict for each schema, one method for each call. Written where it is used, in tests: the generators that are
well kept write packages of hundreds of files, or types without calls.
"""

import json
import keyword
from typing import Any

HEAD = '''\
"""Written from the document of the API."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


class Refused(Exception):
    """The answer is no success; `problem` says why."""

    def __init__(self, status: int, problem: "Problem") -> None:
        super().__init__(problem.get("detail", ""))
        self.status, self.problem = status, problem


class Client:
    """The calls of the API, by the names of the document."""

    def __init__(self, address: str, key: str) -> None:
        self._address, self._key = address.rstrip("/"), key

    def _call(
        self, method: str, path: str, query: Mapping[str, object], headers: Mapping[str, object], body: object = None
    ) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        said = {name: str(value) for name, value in headers.items() if value is not None}
        said |= {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        address = f"{self._address}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        try:
            with urlopen(Request(address, data, said, method=method), timeout=60) as answer:
                text, kind = answer.read(), answer.headers.get("Content-Type", "")
        except HTTPError as error:
            raise Refused(error.code, cast("Problem", json.loads(error.read() or b"{}"))) from None
        return json.loads(text) if text and "json" in kind and "jsonl" not in kind else text
'''
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
Schema = dict[str, Any]


def one_file_client(document: Schema) -> str:
    """The text of the module."""
    methods = [
        _method(path, method, call, document)
        for path, calls in sorted(document["paths"].items())
        for method, call in calls.items()
        if not _is_a_form(call)
    ]
    types = [_definition(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n".join([HEAD, *methods, "", *types])


def type_of(schema: Schema) -> str:
    """The annotation of what a schema describes."""
    if "$ref" in schema:
        return f'"{schema["$ref"].rpartition("/")[2]}"'
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return f"Literal[{', '.join(map(repr, values))}]"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return _union(map(type_of, several))
    kind = schema.get("type")
    return _union(_type_of_kind(one, schema) for one in (kind if isinstance(kind, list) else [kind]))


def _type_of_kind(kind: str | None, schema: Schema) -> str:
    if kind == "array":
        return f"list[{type_of(schema.get('items', {}))}]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {type_of(inner) if isinstance(inner, dict) else 'Any'}]"
    return PLAIN.get(kind or "", "Any")


def _union(types: Any) -> str:
    known = list(dict.fromkeys(types))
    # Names of classes that stand further down cannot be joined by `|`, unless the whole is in quotes.
    return known[0] if len(known) == 1 else '"' + " | ".join(known).replace('"', "") + '"'


def _definition(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"{name}: TypeAlias = {type_of(schema)}\n"
    required = schema.get("required", ())
    fields = [
        f"        {key!r}: {type_of(value) if key in required else f'NotRequired[{type_of(value)}]'},"
        for key, value in schema["properties"].items()
    ]
    return "\n".join([f"{name} = TypedDict(", f'    "{name}",', "    {", *fields, "    },", ")", ""])


def _is_a_form(call: Schema) -> bool:
    return "application/json" not in call.get("requestBody", {}).get("content", {"application/json": 1})


def _method(path: str, method: str, call: Schema, document: Schema) -> str:
    given = [_resolved(parameter, document) for parameter in call.get("parameters", ())]
    in_path = [parameter for parameter in given if parameter["in"] == "path"]
    others = {place: [one for one in given if one["in"] == place] for place in ("query", "header")}
    signature = [f"{_name(one)}: {type_of(one['schema'])}" for one in in_path]
    body = call.get("requestBody")
    if body:
        kind = type_of(body["content"]["application/json"]["schema"])
        signature.append(
            f"body: {kind}" if body.get("required") else f"body: {_union([kind, 'None'])} = None"
        )
    signature.append("*")
    signature.extend(
        f"{_name(one)}: {_union([type_of(one['schema']), 'None'])} = None"
        for one in (*others["query"], *others["header"])
    )
    if signature[-1] == "*":
        signature.pop()
    address = path.replace("{", "{quote(str(").replace("}", "))}")
    sent = [
        "{" + ", ".join(f'"{one["name"]}": {_name(one)}' for one in ones) + "}" for ones in others.values()
    ]
    answer = _answer(call)
    return (
        f"\n    def {call['operationId']}(self, {', '.join(signature)}) -> {answer}:\n"
        f"        {json.dumps(call['summary'])}\n"
        f'        answer = self._call("{method.upper()}", f"{address}", {", ".join(sent)}{", body" if body else ""})\n'
        f"        return cast({answer if answer.startswith(chr(34)) else json.dumps(answer)}, answer)\n"
    )


def _answer(call: Schema) -> str:
    found = []
    for status, answer in call["responses"].items():
        if status.startswith("2"):
            content = answer.get("content", {})
            found.append(
                type_of(content["application/json"]["schema"]) if "application/json" in content else "bytes"
            )
    return _union(found)


def _resolved(parameter: Schema, document: Schema) -> Schema:
    if "$ref" in parameter:
        found: Schema = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        return found
    return parameter


def _name(parameter: Schema) -> str:
    name = str(parameter["name"]).lower().replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name
