"""Which records an action takes: now, as SQL, and at a moment of the past, from what was kept of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True)
class IneligibilityReason:
    """Why the action leaves a record alone: a sentence about one record, and what is counted of one and of many."""

    sentence: str = "The first action does not take it as it is."
    one: str = "is not in a state that the action takes"
    many: str = "are not in a state that the action takes"


class PastEligibility:
    """Judges by status. columns: the record's own values that it asks for · needs_values: whether it cannot say
    anything without them."""

    columns: tuple[str, ...] = ("status",)
    needs_values = True

    def __init__(self, statuses: Collection[str] | None = None) -> None:
        self.statuses = statuses

    @property
    def takes_all(self) -> bool:
        """Whether no record is ever left out."""
        return self.statuses is None

    def holds(self, record_id: int, own: Mapping[str, object], at: datetime) -> bool:
        """Whether the action took the record at that moment. own: its values then, by column."""
        return self.statuses is None or own.get("status") in self.statuses


@dataclass(frozen=True)
class LeftOver:
    """Records that the work may leave as they were: tried again later, and not charged for.

    clause: those that are still as they were · tried_at: when they were tried last · again_after: how long they rest ·
    sentence: of a run that left all of them.
    """

    clause: ColumnElement[bool]
    tried_at: InstrumentedAttribute[Any]
    again_after: timedelta
    sentence: str
