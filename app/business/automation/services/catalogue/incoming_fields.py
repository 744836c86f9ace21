"""Fields of an incoming message, for conditions and texts: `incoming.order.total`. Its JSON says their types."""

from collections.abc import Iterable

from sqlalchemy import null

from app.business.automation.services.catalogue.field_types import Field, FieldType

INCOMING = "incoming"
"""Key of the trigger and of what its conditions look at, beside the record types."""
PREFIX = f"{INCOMING}."


def is_of_message(name: str) -> bool:
    """Whether the field name is a path into the message."""
    return name.startswith(PREFIX) and all(name.split("."))


def message_fields(names: Iterable[str]) -> dict[str, Field]:
    """Those of the names that are paths into the message, as fields of texts."""
    of_message = filter(is_of_message, names)
    return {name: Field(name, name, FieldType.TEXT, lambda _row, _frame: null()) for name in of_message}
