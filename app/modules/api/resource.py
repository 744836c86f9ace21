"""Base of every REST resource: reading bodies, checking fields, lists by cursor, entity tags.

A call reads as: `body: KeywordNew` → one service call → `saved(answer(show(KeywordShown, row), 201))`.
All refusals are business ones; the error pages turn them into problem+json.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.business.errors import Invalid, Refusal, Stale, TooLarge
from app.business.paging import Page
from app.infrastructure.database import db
from app.modules.api.fields import JsonObject
from app.modules.api.models import ApiModel
from app.modules.api.repetition import keep_answer
from app.modules.api.sentences import SHOWN_OF_NAME, sentences_of
from app.modules.gate.json_text import Malformed, has_unpaired_surrogate, read_json
from app.modules.gate.numbers import whole_number
from app.modules.gate.preconditions import if_match

BODY_LIMIT = 1_000_000
"""Bytes of a JSON body."""

LIMIT_DEFAULT, LIMIT_MOST = 50, 200
OF_EVERY_LIST = ("limit", "cursor", "fields", "count")
"""Parameters that every list takes beside its own."""
COUNTED = ("true", "false")
PARTIAL_LIST = "application/vnd.igny8.partial-list+json"
"""The content type of a list whose results have only the `fields` asked for; the other one has always all."""
DERIVED = frozenset({"updated_at"})
"""Read-only keys that PUT and PATCH ignore: they change by themselves."""

Row = TypeVar("Row")
Item = TypeVar("Item")
Fields = TypeVar("Fields", bound=BaseModel)
Filters = TypeVar("Filters", bound="Query")


class WrongContentType(Refusal):
    """The content type of the body is not accepted."""

    status = 415
    code = "wrong_content_type"


class BadQuery(Invalid):
    """A parameter in the address is unknown or invalid."""

    status = 400
    code = "bad_query"


class Schema(ApiModel):
    """A body: exact types (1 is not "1", true is not 1), no unknown keys; choices and times by `fields`."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(ApiModel):
    """The parameters of a list: texts from the address turned into their types, no unknown names."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for.

    fields: the only keys that each result has; None: all · counted: whether the number of all rows is asked for.
    """

    limit: int
    cursor: str | None
    fields: frozenset[str] | None = None
    counted: bool = False


class Listed(ApiModel, Generic[Item]):
    """A page of a list; `next` is the cursor of the page after it, null on the last. `count` is there if asked for."""

    results: list[Item]
    next: str | None
    count: int = 0


# --- bodies


def json_body() -> JsonObject:
    """The JSON object sent. Raises WrongContentType, TooLarge, or Malformed saying what is wrong with it."""
    body = _json()
    if not isinstance(body, dict):
        raise Malformed('Send one JSON object, like {"name": "…"}.')
    return body


def json_body_or_list() -> JsonObject | list[JsonObject]:
    """The same, or a list of JSON objects."""
    body = _json()
    if not isinstance(body, list):
        return json_body()
    objects = [item for item in body if isinstance(item, dict)]
    if len(objects) < len(body):
        raise Malformed('Send JSON objects in the list, like [{"name": "…"}].')
    return objects


def _json() -> JsonValue:
    if request.mimetype != "application/json" or request.content_encoding not in (None, "identity"):
        raise WrongContentType("Send JSON with “Content-Type: application/json”, not compressed.")
    return read_json(_raw_body())


def read_new(schema: type[Fields]) -> Fields:
    """The body of a POST. Raises Invalid with every key that is unknown, missing or of the wrong kind."""
    return checked(schema, json_body())


def read_optional(schema: type[Fields]) -> Fields:
    """The body of a POST that may come without one, which then says nothing."""
    sent = request.content_length or "Transfer-Encoding" in request.headers
    return checked(schema, json_body() if sent else {})


def writable(
    schema: type[BaseModel],
    body: Mapping[str, JsonValue],
    shown: Mapping[str, JsonValue],
    derived: Collection[str],
) -> JsonObject:
    """`body` without the read-only keys that may be sent back. Raises Invalid for one that differs."""
    read_only = body.keys() & shown.keys() - schema.model_fields.keys()
    changed = sorted(key for key in read_only - set(derived) if not _equal(body[key], shown[key]))
    if changed:
        raise Invalid(
            {key: ["This is read-only. Leave it out, or send its present value."] for key in changed}
        )
    return {key: value for key, value in body.items() if key not in read_only}


def checked(schema: type[Fields], body: Mapping[str, JsonValue]) -> Fields:
    """`body` as `schema`; also for parts of it. Raises Invalid by field path."""
    if has_unpaired_surrogate(body):
        raise Malformed("A text holds half of a character pair. Send whole characters.")
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        raise Invalid(sentences_of(schema, error)) from None


def _raw_body() -> bytes:
    request.max_content_length = BODY_LIMIT
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise TooLarge(f"The body is larger than {BODY_LIMIT:,} bytes. Send less at once.") from None


def _equal(sent: JsonValue, present: JsonValue) -> bool:
    return isinstance(sent, bool) == isinstance(present, bool) and bool(sent == present)


# --- lists


def read_window(known: Collection[str]) -> Window:
    """What the address says about the part of a list whose results have the keys `known`. Raises BadQuery."""
    limit = whole_number(request.args.get("limit", str(LIMIT_DEFAULT)), 1, LIMIT_MOST)
    if limit is None:
        raise BadQuery({"limit": [f"Give a whole number from 1 to {LIMIT_MOST}."]})
    counted = request.args.get("count") or "false"
    if counted not in COUNTED:
        raise BadQuery({"count": ["Choose one of: true, false."]})
    return Window(limit, request.args.get("cursor") or None, _read_fields(known), counted == "true")


def _read_fields(known: Collection[str]) -> frozenset[str] | None:
    sent = [name.strip() for text in request.args.getlist("fields") for name in text.split(",")]
    fields = frozenset(filter(None, sent))
    if unknown := sorted(fields - frozenset(known)):
        names = ", ".join(f"“{name[:SHOWN_OF_NAME]}”" for name in unknown)
        raise BadQuery({"fields": [f"There is no {names} here. Known here: {', '.join(known)}."]})
    return fields or None


def read_query(schema: type[Filters], *, is_list: bool) -> Filters:
    """The filters of the address beside what every list takes. Raises BadQuery."""
    given: dict[str, list[str] | str] = {}
    for name, values in request.args.lists():
        filled = [value for value in values if value]
        if filled and not (is_list and name in OF_EVERY_LIST):
            given[name] = filled if len(filled) > 1 else filled[0]
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        sentences = sentences_of(schema, error)
        raise BadQuery({path.partition(".")[0]: texts for path, texts in sentences.items()}) from None


def listed(window: Window, page: Page[Row], show: Callable[[Row], BaseModel]) -> Response:
    """A page of a list as `{"results": […], "next": cursor or null}`, with `count` where it is asked for."""
    return listed_as(window, page, map(show, page.rows))


def listed_as(window: Window, page: Page[Any], results: Iterable[BaseModel]) -> Response:
    """The same, for results that are shown already."""
    rows = [_part_of(json_of(shown), window.fields) for shown in results]
    counted = {"count": page.count()} if window.counted else {}
    response = jsonify({"results": rows, "next": page.next_cursor} | counted)
    if window.fields:
        response.content_type = PARTIAL_LIST
    return response


def _part_of(values: JsonObject, fields: frozenset[str] | None) -> JsonObject:
    return {key: value for key, value in values.items() if key in fields} if fields else values


# --- single resources


def json_of(shown: BaseModel) -> JsonObject:
    """As JSON values; keys that were never set are left out."""
    return shown.model_dump(mode="json", by_alias=True, exclude_unset=True)


def answer(shown: BaseModel, status: int = 200, *, version: int | str | None = None) -> Response:
    """One resource with its ETag: its version, or a fingerprint of what it reads.

    A GET whose If-None-Match names it is answered with 304.
    """
    is_read = request.method in ("GET", "HEAD")
    if is_read:
        require_present(shown, version)
    values = json_of(shown)
    tag = entity_tag(values, version)
    # Not by `make_conditional`, which would answer If-Match in its own way.
    is_known = is_read and request.if_none_match.contains_weak(tag)
    response = Response() if is_known else jsonify(values)
    response.status_code = 304 if is_known else status
    response.set_etag(tag)
    return response


def report(shown: BaseModel, status: int = 200) -> Response:
    """An answer that is not a resource of its own, so without an ETag."""
    response = jsonify(json_of(shown))
    response.status_code = status
    return response


def saved(answer: Response) -> Response:
    """The answer, once its change is committed: a change that cannot be answered is not kept."""
    keep_answer(answer)
    db.session.commit()
    return answer


def require_match(shown: BaseModel | None, version: int | str | None = None) -> None:
    """Raises Stale when the caller's If-Match names another version than the present one."""
    wanted = if_match()
    if wanted and not wanted.holds(entity_tag(json_of(shown) if shown else {}, version)):
        raise Stale(
            "Somebody else changed this meanwhile. Read it again, then make your change on the new version."
        )


def require_present(shown: BaseModel, version: int | str | None = None) -> None:
    """The same, with the present state in the refusal."""
    try:
        require_match(shown, version)
    except Stale as refusal:
        refusal.details = {"current": json_of(shown)}
        raise


def entity_tag(shown: Mapping[str, JsonValue], version: int | str | None = None) -> str:
    """What the ETag header says, without its quotes."""
    if version is not None:
        return str(version)
    text = json.dumps(shown, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
