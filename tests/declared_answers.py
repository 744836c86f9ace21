"""Checks every answer of the API against its declaration, in whatever test it is given."""

import json
from functools import cache
from typing import Any

from flask import Flask, Response, current_app, request
from pydantic import TypeAdapter

from app.modules.api.declaration import Call, Media
from app.modules.api.resource import PARTIAL_LIST


def hold_to_declarations(app: Flask) -> None:
    """Each request whose answer is of another type or status than declared fails with AssertionError."""

    @app.after_request
    def check(response: Response) -> Response:
        call = getattr(current_app.view_functions.get(request.endpoint or ""), "call", None)
        if call and request.method != "OPTIONS":
            check_answer(call, response)
        return response


def check_answer(call: Call, response: Response) -> None:
    """Raises AssertionError."""
    status, place = response.status_code, f"{call.method} {call.path}"
    if status >= 400:
        # A fault of ours has no declaration; the test that met it says more about it.
        assert status in call.error_statuses or status == 500, f"{place}: {status} is not declared"
        if response.is_json and "jsonrpc" in response.get_json():
            # An error of that protocol has its own form.
            return
        assert response.mimetype == "application/problem+json", place
    elif status == 304:
        assert (call.method, call.if_match) == ("GET", True), f"{place}: not conditional"
    else:
        assert status in call.answers, f"{place}: {status} is not declared"
        _check_body(call.answers[status], response, place)


def _check_body(declared: Any, response: Response, place: str) -> None:
    if declared is None:
        assert response.get_data() == b"", place
    elif isinstance(declared, Media):
        assert response.mimetype in (declared.type, *declared.others), place
    elif response.mimetype == PARTIAL_LIST:
        (item,) = declared.__pydantic_generic_metadata__["args"]
        for result in json.loads(response.get_data())["results"]:
            assert {*result} <= {*item.model_json_schema(mode="serialization")["properties"]}, place
    elif request.method != "HEAD":
        sent = json.loads(response.get_data())
        assert told_back(declared, response.get_data()) == sent, f"{place}: {declared}"


def told_back(declared: Any, text: bytes) -> Any:
    """What the declared type makes of the JSON: the same, or the type is not true."""
    adapter = _adapter(declared)
    value = adapter.validate_json(text, strict=True)
    return adapter.dump_python(value, mode="json", by_alias=True, exclude_unset=True)


@cache
def _adapter(declared: Any) -> TypeAdapter[Any]:
    return TypeAdapter(declared)
