"""The report of a back-test, as it is stored with its operation and sent by the API. Limited in size."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from app.business.automation.services.rule_parts import JsonObject

Instant = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


@dataclass
class DayLine:
    """One day in the account's zone. offered: events in the rule's scope, or planned times."""

    on: date
    offered: int = 0
    matched: int = 0
    runs: int = 0
    skipped: int = 0
    credits: int = 0


class TakenRecord(BaseModel):
    """A record that the rule would have worked on, and when."""

    id: int
    at: Instant


class Assumptions(BaseModel):
    """What the figures rest on. assumed: records with today's values, for nothing was kept of that time · gone: those
    that could not be read any more · as_today: what conditions asked as it is today."""

    assumed: int
    gone: int
    as_today: list[str]


class OutcomeReport(BaseModel):
    """What one definition would have done. unmatched: records of events that did not match · waiting: runs that would
    still wait · skips: reason -> number of runs skipped for it · sample: the latest of its records."""

    offered: int
    matched: int
    runs: int
    credits: int
    records: int
    unmatched: int
    waiting: int
    skips: dict[str, int]
    days: list[DayLine]
    sample: list[TakenRecord]
    is_estimate: bool
    rests: Assumptions


class Difference(BaseModel):
    """Records on which two definitions differ: `more` taken only by the new one, `fewer` only by the saved one."""

    more: int
    more_sample: list[int]
    fewer: int
    fewer_sample: list[int]


class BackTestReport(BaseModel):
    """The first outcome is that of the requested definition; a second one is that of the saved rule."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    start: Instant = Field(alias="from")
    until: Instant = Field(alias="to")
    trigger: str
    record_type: str | None
    outcomes: list[OutcomeReport]
    changes: Difference | None = None

    def as_result(self) -> JsonObject:
        """As it is stored; without `changes` where there is nothing to compare."""
        left_out = {"changes"} if self.changes is None else None
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)
