"""Types of fields in bodies that JSON has no word for: choices, days and instants are sent as text, and only so."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    PlainSerializer,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError

from app.business.automation.services.schedules.calendar import YEARS

Choice = TypeVar("Choice")
JsonObject = dict[str, JsonValue]
"""A JSON object whose keys are no matter of the API: a context, what was found, what an operation came to."""


def _exact(kind: type[date]) -> Callable[[Any], Any]:
    """Reads text as JSON's strict reading does: a number is no time, a day is no instant."""
    text = TypeAdapter(kind, config=ConfigDict(strict=True))

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise PydanticKnownError("datetime_type" if kind is datetime else "date_type")
        try:
            return text.validate_strings(value)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            raise PydanticKnownError(fault["type"], fault.get("ctx")) from None  # type: ignore[arg-type]

    return read


OneOf = Annotated[Choice, Strict(False)]
"""A member of an enumeration, by its value."""
Day = Annotated[date, BeforeValidator(_exact(date))]
ExactInstant = BeforeValidator(_exact(datetime))
"""Before a type of datetime: a whole instant, with or without an offset."""

IsoInstant = Annotated[
    datetime,
    PlainSerializer(datetime.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""An instant in an answer that is written with its offset as it stands (`+00:00`, not `Z`)."""


def within_reach(at: datetime) -> datetime:
    """Raises ValueError for a year that no schedule has."""
    if at.year not in YEARS:
        raise ValueError(f"Choose a year from {YEARS[0]} to {YEARS[-1]}.")
    return at


Moment = Annotated[datetime, AfterValidator(within_reach)]
"""Without an offset, in the account's zone."""
ExactMoment = Annotated[Moment, ExactInstant]
"""Like Moment, in a body."""
