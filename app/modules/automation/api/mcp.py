"""The endpoint for AI assistants: Model Context Protocol over Streamable HTTP, one JSON answer for each message.

No library for this: the official one runs an ASGI server of its own, beside our keys, roles, quotas and transactions.
The part of the protocol that a server without sessions and streams needs is this file; tests ask it with the official
client.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from flask import Response, jsonify, request
from pydantic import Field, JsonValue

from app.business.accounts.models import KeyScope, Role
from app.business.errors import Forbidden, NotFound
from app.modules.access import Permission
from app.modules.api.bodies import CheckedLater
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.fields import JsonObject
from app.modules.api.models import ApiModel
from app.modules.automation.api.mcp_tools import TOOLS, use

api = ApiBlueprint("mcp_api", __name__, url_prefix="/api/mcp")
HANDSHAKE_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
"""Versions that begin with `initialize`."""
STATELESS_VERSIONS = ("2026-07-28",)
"""Versions whose every request says its version in `_meta`."""
_META = "io.modelcontextprotocol/"
INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
STATUSES = {METHOD_NOT_FOUND: 404}
"""HTTP statuses of errors in stateless versions; any other is 400."""
ABOUT = (
    "Rules of a content team's automation, their runs and incidents. Ask list_runs or list_incidents what happened, "
    "explain_run or why_nothing_happened why; price_rule before execute_rule. Credits are money: execute_rule only "
    "when the person has asked for it, with the bound that they named."
)


class McpMessage(ApiModel):
    """A JSON-RPC 2.0 request or notification of the Model Context Protocol."""

    jsonrpc: str
    method: str
    id: int | str | None = None
    params: dict[str, JsonValue] = Field({})


class McpAnswer(ApiModel):
    """The JSON-RPC response: a `result`, or an `error` with a sentence."""

    jsonrpc: str
    id: int | str | None
    result: dict[str, JsonValue] = Field({})
    error: dict[str, JsonValue] = Field({})


class _Error(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


@api.call(
    "POST",
    "/",
    Permission(Role.VIEWER, scope=KeyScope.READ),
    answers={200: McpAnswer, 202: None},
    errors=(NotFound,),
    repeated="asks again",
)
def ask_assistant(body: CheckedLater[McpMessage]) -> Response:
    """The endpoint for AI assistants: Model Context Protocol over Streamable HTTP, with an API key.

    Its tools list rules, runs and incidents, explain a run, say why nothing happened, test and price a rule, and start
    one within a bound of credits. Each has the role and scope of the call of this API that it stands for; what is
    refused is a result with `isError` and a sentence. A notification is answered with 202.
    """
    _require_own_origin()
    message = body.sent
    if "method" in message and "id" not in message:
        return Response(status=202)
    id = _id_of(message)
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    is_stateless = isinstance(meta, dict) and f"{_META}protocolVersion" in meta
    try:
        result = _result(message, meta if isinstance(meta, dict) and is_stateless else None)
    except _Error as error:
        said: JsonObject = {"code": error.code, "message": error.message}
        said |= {"data": error.data} if error.data else {}
        response = jsonify({"jsonrpc": "2.0", "id": id, "error": said})
        response.status_code = STATUSES.get(error.code, 400) if is_stateless else 200
        return response
    return jsonify({"jsonrpc": "2.0", "id": id, "result": result})


def _id_of(message: Mapping[str, JsonValue]) -> int | str | None:
    """The id to answer with, which is a text or a whole number (`2.0` is one in JSON); null for anything else."""
    id = message.get("id")
    if isinstance(id, float) and id.is_integer():
        return int(id)
    return id if isinstance(id, (int, str)) and not isinstance(id, bool) else None


def _require_own_origin() -> None:
    """A page of somebody else must not ask through the browser of a person. Raises Forbidden."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise Forbidden("Pages of other addresses may not ask here. Leave the header Origin out.")


def _result(message: Mapping[str, JsonValue], meta: Mapping[str, JsonValue] | None) -> JsonObject:
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise _Error(INVALID_REQUEST, "Send a JSON-RPC 2.0 request: jsonrpc, id, method and params.")
    if _id_of(message) is None and message.get("id") is not None:
        raise _Error(INVALID_REQUEST, "id is a text or a whole number.")
    if not isinstance(params, dict):
        raise _Error(INVALID_PARAMS, "params is a JSON object.")
    if meta is not None:
        _check_headers(method, params, meta)
    else:
        _check_version()
    answer = METHODS.get(method)
    if answer is None:
        raise _Error(METHOD_NOT_FOUND, f"There is no method {method[:100]} here.")
    result = answer(params)
    return result | {"resultType": "complete"} if meta is not None else result


def _check_version() -> None:
    sent = request.headers.get("MCP-Protocol-Version")
    if sent is not None and sent not in HANDSHAKE_VERSIONS:
        raise _unsupported(sent, HANDSHAKE_VERSIONS)


def _check_headers(method: str, params: Mapping[str, JsonValue], meta: Mapping[str, JsonValue]) -> None:
    """What proxies read in the headers must be what the message says."""
    sent = meta[f"{_META}protocolVersion"]
    said = {"MCP-Protocol-Version": sent, "Mcp-Method": method}
    if method == "tools/call":
        said["Mcp-Name"] = params.get("name")
    for name, value in said.items():
        if request.headers.get(name) != value:
            raise _Error(HEADER_MISMATCH, f"The header {name} does not say what the message says.")
    if sent not in STATELESS_VERSIONS:
        raise _unsupported(str(sent), STATELESS_VERSIONS)


def _unsupported(sent: str, known: tuple[str, ...]) -> _Error:
    message = f"The protocol version {sent[:40]} is not spoken here, but {', '.join(known)}."
    return _Error(UNSUPPORTED_VERSION, message, {"supported": list(known), "requested": sent})


def _server() -> JsonObject:
    return {"name": "igny8-automation", "title": "IGNY8 Automation", "version": "1"}


def _initialize(params: Mapping[str, JsonValue]) -> JsonObject:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1],
        "capabilities": {"tools": {}},
        "serverInfo": _server(),
        "instructions": ABOUT,
    }


def _discover(_params: Mapping[str, JsonValue]) -> JsonObject:
    return {
        "supportedVersions": list(STATELESS_VERSIONS),
        "capabilities": {"tools": {}},
        "instructions": ABOUT,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {f"{_META}serverInfo": _server()},
    }


def _list_tools(_params: Mapping[str, JsonValue]) -> JsonObject:
    return {"tools": [tool.as_json() for tool in TOOLS.values()], "ttlMs": 0, "cacheScope": "private"}


def _call_tool(params: Mapping[str, JsonValue]) -> JsonObject:
    tool, arguments = TOOLS.get(str(params.get("name"))), params.get("arguments") or {}
    if tool is None:
        raise _Error(INVALID_PARAMS, f"There is no tool {str(params.get('name'))[:100]} here.")
    if not isinstance(arguments, dict):
        raise _Error(INVALID_PARAMS, "arguments is a JSON object.")
    return use(tool, arguments)


METHODS: Mapping[str, Callable[[Mapping[str, JsonValue]], JsonObject]] = {
    "initialize": _initialize,
    "server/discover": _discover,
    "ping": lambda _params: {},
    "tools/list": _list_tools,
    "tools/call": _call_tool,
}
