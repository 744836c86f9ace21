"""The typed parts of a rule: their base (trigger options, schedule), and conditions.

Validated as input, and read from storage as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    PrivateAttr,
    ValidationError,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from app.business.errors import Invalid

_READABLE = None
"""Marks a part as valid: JSON null is never stored for a part."""
Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)
Errors = dict[str, list[str]]
Json = JsonValue
"""A value of a request, file or row before parsing: any JSON, which may be invalid."""
JsonObject = dict[str, Json]
Stored = Mapping[str, Json]
"""Like JsonObject, but read-only."""
Unchecked = Any
"""A value put into a model without validation, because it was validated when saved. Any: it may be of any type."""


@dataclass(frozen=True)
class Conditions:
    """Conditions as their author wrote them. False where they ask nothing.

    Any JSON: stored ones may not be valid any more, and what is valid depends on the records (`conditions.as_written`).
    As the field of a model they are read from JSON, and written as the same JSON.
    """

    written: Json

    @classmethod
    def of(cls, written: Json) -> Self | None:
        """None where nothing is written."""
        return None if written is None else cls(written)

    def __bool__(self) -> bool:
        return bool(self.written)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Self], _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(lambda conditions: conditions.written)
        return core_schema.no_info_plain_validator_function(cls, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "object"}


class RulePart(BaseModel):
    """One part of a rule as its author wrote it: `as_json` contains only keys that were given, as stored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    _stored: Json = PrivateAttr(_READABLE)

    @classmethod
    def stored(cls, data: Json) -> Self:
        """Read a stored part. Values that are not valid any more are kept as stored."""
        try:
            return cls.model_validate(data)
        except (ValidationError, TypeError):
            part = as_it_stands(cls, data)
            part._stored = data
            return part

    @property
    def is_readable(self) -> bool:
        """Whether it is valid; a rule with an invalid part needs repair."""
        return self._stored is _READABLE

    @model_serializer
    def as_json(self) -> Json:
        """The JSON stored in a rule; `stored` reads it. An invalid part may be any JSON."""
        if not self.is_readable:
            return self._stored
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


def as_it_stands(model: type[Model], data: Json) -> Model:
    """An unvalidated instance of the model, for stored values that are not valid any more."""
    known = data if isinstance(data, Mapping) else {}
    fields = model.model_fields.items()
    values: dict[str, Unchecked] = {
        name: known.get(name) for name, info in fields if name in known or info.is_required()
    }
    return model.model_construct(**values)


def refuse_part(errors: Errors) -> NoReturn:
    """Raise an error that pydantic reports for the field; `part_errors` restores the sentences by path."""
    raise PydanticCustomError("part", "This part of the rule cannot be read.", {"errors": errors})


def part_errors(fault: ErrorDetails) -> Errors | None:
    """The sentences by path given to `refuse_part`; None for other errors."""
    return fault["ctx"]["errors"] if fault["type"] == "part" else None


def checked_part(check: Callable[[], Value]) -> Value:
    """The result of `check`; converts Invalid to errors of a part."""
    try:
        return check()
    except Invalid as refusal:
        refuse_part(refusal.errors)
