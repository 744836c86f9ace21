"""What a field is: its type, its words, and the SQL expression that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    INSTANT = "instant"
    DAY = "day"
    LIST = "list"
    REFERENCE = "reference"
    HANDLED = "handled"


@dataclass(frozen=True)
class Frame:
    """Against what fields are read: whose account, when, in which zone, for which rule (its `handled_at`)."""

    account_id: int
    now: datetime
    zone: tzinfo
    rule_id: int | None = None

    @property
    def local_now(self) -> datetime:
        """Now on the clock of the zone."""
        return self.now.astimezone(self.zone)


Expression = Callable[[Any, Frame], ColumnElement[Any]]
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Field:
    """One value of a record. `of(entity, frame)` is its SQL expression over a row of `entity`.

    column: under which name the record itself has it; None for what belongs to others.
    """

    name: str
    label: str
    type: FieldType
    of: Expression
    choices: Choices = ()
    keyword_text: bool = False
    column: str | None = None
