"""The forms that the body of a call can have, as its function's `body` is annotated.

`body: KeywordNew`                      JSON that has to be sent
`body: Omittable[ExecuteRule]`          JSON that may be left out, which then says nothing
`body: Changes[KeywordChanges]`         JSON that changes a row, read once the row and what it shows are known
`body: CheckedLater[RuleDefinition]`    the JSON object as it was sent, checked by the service
`body: OneOrMany[KeywordNew]`           JSON that has to be sent: one object, or a list of up to 1,000
`body: Upload[KeywordFile]`             multipart/form-data, read by the function
A POST without `body` takes nothing: an empty object, or no body at all.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel

from app.business.base import Versioned
from app.business.errors import Invalid
from app.modules.api.fields import JsonObject
from app.modules.api.resource import (
    DERIVED,
    Schema,
    checked,
    json_body,
    json_body_or_list,
    json_of,
    read_new,
    read_optional,
    require_present,
    writable,
)

MOST_AT_ONCE = 1_000
JSON, FORM_DATA = "application/json", "multipart/form-data"
Fields = TypeVar("Fields", bound=BaseModel)
Reading = Literal["required", "omittable", "changes", "checked later", "one or many", "upload", "nothing"]


@dataclass(frozen=True)
class _As:
    reading: Reading


Omittable = Annotated[Fields, _As("omittable")]


@dataclass(frozen=True)
class Changes(Generic[Fields]):
    """What a PATCH or PUT sends; read-only keys are compared with what the row shows."""

    schema: type[Fields]

    def of(
        self, row: Versioned | None, shown: BaseModel, derived: Collection[str] = DERIVED
    ) -> dict[str, Any]:
        """The keys sent and their values; without `row` the tag is what is shown. Raises Stale with the present state,
        Invalid."""
        require_present(shown, row.version if row else None)
        values = json_of(shown)
        sent = checked(self.schema, writable(self.schema, json_body(), values, derived))
        return sent.model_dump(exclude_unset=True)


class CheckedLater(Generic[Fields]):
    """The JSON object of a body whose schema the service itself checks."""

    def __init__(self, sent: JsonObject) -> None:
        self.sent = sent


class FormUpload(Generic[Fields]):
    """A form with a file; `Fields` says which fields it has."""


@dataclass(frozen=True)
class OneOrMany(Generic[Fields]):
    """What is sent: `one`, or a list of `many`."""

    one: Fields | None
    many: Sequence[Fields] = ()


class NothingSent(Schema):
    """A body that may only be empty."""


@dataclass(frozen=True)
class Body:
    """The body of a call: its schema, and whether it has to be there."""

    schema: type[BaseModel]
    reading: Reading

    @property
    def media_type(self) -> str:
        """The content type that it is sent with."""
        return FORM_DATA if self.reading == "upload" else JSON

    @property
    def is_required(self) -> bool:
        """Whether the call is refused without one."""
        return self.reading not in ("omittable", "nothing")

    def read(self) -> dict[str, Any]:
        """The argument `body` of the function; none where nothing may be sent. Raises Invalid and more."""
        match self.reading:
            case "nothing":
                read_optional(NothingSent)
                return {}
            case "required" | "one or many":
                read: Callable[..., Any] = read_new if self.reading == "required" else _one_or_many
                return {"body": read(self.schema)}
            case "omittable":
                return {"body": read_optional(self.schema)}
            case "changes":
                return {"body": Changes(self.schema)}
            case "checked later":
                return {"body": CheckedLater[BaseModel](json_body())}
            case "upload":
                return {"body": FormUpload[BaseModel]()}


_GENERIC: dict[Any, Reading] = {
    Changes: "changes",
    CheckedLater: "checked later",
    FormUpload: "upload",
    OneOrMany: "one or many",
}


def _one_or_many(schema: type[Fields]) -> OneOrMany[Fields]:
    sent = json_body_or_list()
    if not isinstance(sent, list):
        return OneOrMany(checked(schema, sent))
    if not 0 < len(sent) <= MOST_AT_ONCE:
        raise Invalid({"body": [f"Send 1 to {MOST_AT_ONCE:,} at once; these are {len(sent):,}."]})
    many: list[Fields] = []
    errors: dict[str, list[str]] = {}
    for index, item in enumerate(sent):
        try:
            many.append(checked(schema, item))
        except Invalid as refusal:
            errors |= {f"{index}.{path}": sentences for path, sentences in refusal.errors.items()}
    if errors:
        raise Invalid(errors)
    return OneOrMany(None, many)


def body_of(annotation: Any) -> Body:
    """The body that an annotation declares; None: nothing may be sent. Raises TypeError."""
    if annotation is None:
        return Body(NothingSent, "nothing")
    schema, *marks = get_args(annotation) or (annotation,)
    marked: list[Reading] = [mark.reading for mark in marks if isinstance(mark, _As)]
    reading = _GENERIC.get(get_origin(annotation), marked[0] if marked else "required")
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise TypeError(f"{annotation} is no body")
    return Body(schema, reading)
