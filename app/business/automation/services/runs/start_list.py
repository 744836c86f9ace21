"""The list of a start's records that exceed one run: stored once, on its first run, and processed by all its runs.

A run stores the ids of its own window; `listed` is the position of that window, and the length of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_documents import RunOptions
from app.business.automation.run_models import RunDetail, ScheduledTask

LISTED: Final = "listed"
"""Option of a run: the span of the start's list in its window."""


@dataclass(frozen=True)
class ListSpan:
    """From `begin` to before `end` of a list of `total` records."""

    begin: int = 0
    end: int = 0
    total: int = 0

    @property
    def beyond(self) -> int:
        """The number of records after it in the list."""
        return self.total - self.end

    def as_option(self) -> RunOptions:
        """The option stored on a run; empty where the start has no list."""
        return {LISTED: [self.begin, self.end, self.total]} if self.total else {}


NO_LIST = ListSpan()
"""For starts whose first run takes all records."""


def stretch_of(detail: RunDetail) -> ListSpan:
    """The run's own span; empty where its start has no list."""
    return ListSpan(*detail.options.get(LISTED, ()))


def start_of(run: ScheduledTask) -> int:
    """The first run of the run's start."""
    return run.start_id or run.id


def start_records(session: Session, run: ScheduledTask) -> Sequence[int]:
    """All records of the run's start, in the order in which its runs take them."""
    query = select(RunDetail.start_records).where(RunDetail.run_id == start_of(run))
    return session.scalar(query) or []
