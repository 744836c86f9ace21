"""The ground of every REST resource: reading bodies, checking fields, lists by cursor, entity tags.

A view reads as: `fields = read_new(KeywordNew)` → one service call → `saved(answer(show(row), 201))`.
All refusals are business ones; the error pages turn them into problem+json.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.business.errors import Invalid, Refusal, Stale, TooLarge
from app.business.paging import Page
from app.infrastructure.database import db
from app.modules.gate.json_text import Malformed, read_json
from app.modules.gate.numbers import whole_number
from app.modules.gate.preconditions import if_match

BODY_LIMIT = 1_000_000
"""Bytes of a JSON body."""

LIMIT_DEFAULT, LIMIT_MOST = 50, 200
DERIVED = frozenset({"updated_at"})
"""Read-only keys that PUT and PATCH ignore: they change by themselves."""

Row = TypeVar("Row")
Fields = TypeVar("Fields", bound="Schema")


class WrongContentType(Refusal):
    """The body is of a kind we do not take."""

    status = 415


class BadQuery(Invalid):
    """A parameter in the address is unknown or cannot be used."""

    status = 400


class Schema(BaseModel):
    """A body: exact types (1 is not "1", true is not 1), no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """The parameters of a list: texts from the address turned into their types, no unknown names."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for."""

    limit: int
    cursor: str | None


# --- bodies


def json_body() -> dict[str, Any]:
    """The JSON object sent. Raises WrongContentType, TooLarge, or Malformed saying what is wrong with it."""
    if request.mimetype != "application/json" or request.content_encoding not in (None, "identity"):
        raise WrongContentType("Send JSON with “Content-Type: application/json”, not compressed.")
    body = read_json(_raw_body())
    if not isinstance(body, dict):
        raise Malformed('Send one JSON object, like {"name": "…"}.')
    return body


def read_new(schema: type[Fields]) -> Fields:
    """The body of a POST. Raises Invalid with every key that is unknown, missing or of the wrong kind."""
    return checked(schema, json_body())


def read_optional(schema: type[Fields]) -> Fields:
    """The body of a POST that may come without one, which then says nothing."""
    sent = request.content_length or "Transfer-Encoding" in request.headers
    return checked(schema, json_body() if sent else {})


def read_changes(
    schema: type[Fields], shown: Mapping[str, Any], derived: Collection[str] = DERIVED
) -> Fields:
    """The body of a PUT or PATCH for a resource that now reads `shown`.

    Derived keys are ignored, other read-only keys must equal their present value. What the caller sent is
    in `model_fields_set`.
    """
    return checked(schema, writable(schema, json_body(), shown, derived))


def writable(
    schema: type[BaseModel], body: Mapping[str, Any], shown: Mapping[str, Any], derived: Collection[str]
) -> dict[str, Any]:
    """`body` without the read-only keys that may be sent back. Raises Invalid for one that differs."""
    read_only = body.keys() & shown.keys() - schema.model_fields.keys()
    changed = sorted(key for key in read_only - set(derived) if not _equal(body[key], shown[key]))
    if changed:
        raise Invalid(
            {key: ["This is read-only. Leave it out, or send its present value."] for key in changed}
        )
    return {key: value for key, value in body.items() if key not in read_only}


def checked(schema: type[Fields], body: Mapping[str, Any]) -> Fields:
    """`body` as `schema`; also for parts of it. Raises Invalid by field path."""
    try:
        text = json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("A text holds half of a character pair. Send whole characters.") from None
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise Invalid(_sentences(schema, error)) from None


def _raw_body() -> bytes:
    request.max_content_length = BODY_LIMIT
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise TooLarge(f"The body is larger than {BODY_LIMIT:,} bytes. Send less at once.") from None


def _equal(sent: Any, present: Any) -> bool:
    return isinstance(sent, bool) == isinstance(present, bool) and bool(sent == present)


def _sentences(schema: type[BaseModel], error: ValidationError) -> dict[str, list[str]]:
    sentences: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in fault["loc"]) or "body"
        sentences.setdefault(path, []).append(_sentence(schema, dict(fault)))
    return sentences


def _sentence(schema: type[BaseModel], fault: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        known = f" Known here: {', '.join(schema.model_fields)}." if len(fault["loc"]) == 1 else ""
        return f"“{str(fault['loc'][-1])[:64]}” cannot be set.{known}"
    if fault["type"] == "missing":
        return "This is required."
    if fault["type"] == "enum" or fault["type"] == "literal_error":
        return f"Choose one of: {fault['ctx']['expected']}.".replace("'", "").replace(" or ", ", ")
    message: str = fault["msg"].removeprefix("Value error, ").replace("Input should be", "It must be")
    return message if message.endswith(".") else f"{message}."


# --- lists


def window() -> Window:
    """`limit` and `cursor` of the address. Raises BadQuery for a limit that is not 1 to 200."""
    limit = whole_number(request.args.get("limit", str(LIMIT_DEFAULT)), 1, LIMIT_MOST)
    if limit is None:
        raise BadQuery({"limit": [f"Give a whole number from 1 to {LIMIT_MOST}."]})
    return Window(limit, request.args.get("cursor") or None)


def read_query(schema: type[Query]) -> dict[str, Any]:
    """The filters of the address beside limit and cursor, only those given. Raises BadQuery."""
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        filled = [value for value in values if value]
        if filled and name not in ("limit", "cursor"):
            given[name] = filled if len(filled) > 1 else filled[0]
    try:
        return schema.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        sentences = _sentences(schema, error)
        raise BadQuery({path.partition(".")[0]: texts for path, texts in sentences.items()}) from None


def listed(page: Page[Row], show: Callable[[Row], Mapping[str, Any]]) -> Response:
    """A page of a list as `{"results": […], "next": cursor or null}`."""
    return listed_as(map(show, page.rows), page.next_cursor)


def listed_as(results: Iterable[Mapping[str, Any]], next_cursor: str | None) -> Response:
    """The same, for results that are shown already."""
    return jsonify({"results": list(results), "next": next_cursor})


# --- single resources


def answer(shown: Mapping[str, Any], status: int = 200, *, version: int | str | None = None) -> Response:
    """One resource with its ETag: its version, or a fingerprint of what it reads."""
    if request.method in ("GET", "HEAD"):
        require_present(shown, version)
    response = jsonify(shown)
    response.status_code = status
    response.set_etag(entity_tag(shown, version))
    return response


def saved(answer: Response) -> Response:
    """The answer, now that what it says is committed: a change that cannot be answered is not kept."""
    db.session.commit()
    return answer


def require_match(shown: Mapping[str, Any], version: int | str | None = None) -> None:
    """Raises Stale when the caller's If-Match names another version than the present one."""
    wanted = if_match()
    if wanted and not wanted.holds(entity_tag(shown, version)):
        raise Stale(
            "Somebody else changed this meanwhile. Read it again, then make your change on the new version."
        )


def require_present(shown: Mapping[str, Any], version: int | str | None = None) -> None:
    """The same, with the present state in the refusal."""
    try:
        require_match(shown, version)
    except Stale as refusal:
        refusal.details = {"current": dict(shown)}
        raise


def entity_tag(shown: Mapping[str, Any], version: int | str | None = None) -> str:
    """What the ETag header says, without its quotes."""
    if version is not None:
        return str(version)
    text = json.dumps(shown, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
