"""Base of the typed parts of a rule: trigger options, schedule. Each is checked when it comes, and read when stored."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_serializer
from pydantic_core import ErrorDetails, PydanticCustomError

from app.business.errors import Invalid

_READABLE = None
"""Stands in a part for what was stored, where that could be read: no part is stored as null."""
Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)
Errors = dict[str, list[str]]
Json = Any
"""A value of a body, a file or a row before it is parsed: nothing is known of it, and it may be wrong."""
JsonObject = dict[str, Json]
Stored = Mapping[str, Json]
"""The same where it is only read."""


class RulePart(BaseModel):
    """One part of a rule, as its author wrote it: `as_json` gives only what was said, as it is stored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    _stored: Any = PrivateAttr(_READABLE)

    @classmethod
    def stored(cls, data: Any) -> Self:
        """Read a stored part. What an older version saved and the check refuses now is kept as it stands."""
        try:
            return cls(**data)
        except (ValidationError, TypeError):
            part = as_it_stands(cls, data)
            part._stored = data
            return part

    @property
    def is_readable(self) -> bool:
        """Whether it passes the check; a rule with a part that does not needs repair."""
        return self._stored is _READABLE

    @model_serializer
    def as_json(self) -> Any:
        """What is saved in a rule; `stored` reads it back. Any: a part that cannot be read may be any JSON."""
        if not self.is_readable:
            return self._stored
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


def as_it_stands(model: type[Model], data: Json) -> Model:
    """What is said of the model's fields, unchecked: as stored values are kept that do not pass the check."""
    known = data if isinstance(data, Mapping) else {}
    fields = model.model_fields.items()
    values = {name: known.get(name) for name, info in fields if name in known or info.is_required()}
    return model.model_construct(**values)


def refuse_part(errors: Errors) -> NoReturn:
    """Raise what pydantic reports as one error of the field; `part_errors` gives the sentences by path back."""
    raise PydanticCustomError("part", "This part of the rule cannot be read.", {"errors": errors})


def part_errors(fault: ErrorDetails) -> Errors | None:
    """The sentences by path that `refuse_part` was given; None for any other error."""
    return fault["ctx"]["errors"] if fault["type"] == "part" else None


def checked_part(check: Callable[[], Value]) -> Value:
    """What `check` returns, its refusals as those of a part."""
    try:
        return check()
    except Invalid as refusal:
        refuse_part(refusal.errors)
