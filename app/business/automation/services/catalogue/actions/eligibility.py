"""Which records an action accepts: at present, as SQL, and in the past, from stored history."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.business.automation.services.catalogue.field_types import FieldValue


@dataclass(frozen=True)
class IneligibilityReason:
    """Why an action does not accept a record: a sentence about one record, and phrases for one and for many."""

    sentence: str = "The first action does not take it as it is."
    one: str = "is not in a state that the action takes"
    many: str = "are not in a state that the action takes"


class PastEligibility:
    """By status. columns: the record's own values that it needs · needs_values: False when it works without them."""

    columns: tuple[str, ...] = ("status",)
    needs_values = True

    def __init__(self, statuses: Collection[str] | None = None) -> None:
        self.statuses = statuses

    @property
    def takes_all(self) -> bool:
        """Whether every record is accepted."""
        return self.statuses is None

    def holds(self, record_id: int, own: Mapping[str, FieldValue], at: datetime) -> bool:
        """Whether the action accepted the record at that moment. own: its values then, by column."""
        return self.statuses is None or own.get("status") in self.statuses


@dataclass(frozen=True)
class LeftOver:
    """Records that the work may leave unchanged: tried again later, and not charged.

    clause: records still unchanged · tried_at: time of the last attempt · again_after: pause before the next one ·
    sentence: for a run that left all of them · refusal: why one is not accepted before the pause is over.
    """

    clause: ColumnElement[bool]
    tried_at: InstrumentedAttribute[datetime | None]
    again_after: timedelta
    sentence: str
    refusal: IneligibilityReason

    def rested(self, now: datetime) -> ColumnElement[bool]:
        """Clause: records whose pause is over, or that were never tried."""
        return or_(self.tried_at.is_(None), self.tried_at < now - self.again_after)
