"""The records of a start that one run does not take at once: kept once, on its first run, and gone through by all.

A run holds the ids of its own window; `listed` says which stretch of the list that is, and how long the list is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunDetail, ScheduledTask

LISTED = "listed"
"""Option of a run: the stretch of the start's list that its window holds."""


@dataclass(frozen=True)
class ListSpan:
    """From `begin` to before `end` of a list of `total` records."""

    begin: int = 0
    end: int = 0
    total: int = 0

    @property
    def beyond(self) -> int:
        """Records of the list that come after it."""
        return self.total - self.end

    def as_option(self) -> dict[str, Any]:
        """What is kept on a run; nothing where the start has no list."""
        return {LISTED: [self.begin, self.end, self.total]} if self.total else {}


NO_LIST = ListSpan()
"""Of a start whose first run takes all its records."""


def stretch_of(detail: RunDetail) -> ListSpan:
    """The run's own stretch; an empty one where its start has no list."""
    return ListSpan(*detail.options.get(LISTED, ()))


def start_of(run: ScheduledTask) -> int:
    """The first run of the start that the run belongs to."""
    return run.start_id or run.id


def start_records(session: Session, run: ScheduledTask) -> Sequence[int]:
    """All records of the run's start, in the order in which its runs take them."""
    query = select(RunDetail.start_records).where(RunDetail.run_id == start_of(run))
    return session.scalar(query) or []
