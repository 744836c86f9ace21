"""Work on created records that a run passed on to runs which begin at a later step, and the source records of it.

While one of those runs is unfinished, nobody else does that work. Once all have ended, undone work is released for its
source records.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from app.business.automation.run_documents import PendingWork
from app.business.automation.run_models import CLOSED, ScheduledTask
from app.business.automation.services.runs.context import RunContext, load_context
from app.business.automation.services.runs.lineage import Lineage, Receipt, Roots, receipts_of
from app.business.automation.services.runs.start_list import start_of
from app.business.automation.services.runs.steps import Step, steps_of

OF_START: Final = "start"
"""Key of a passed-on item that runs of another start continue."""
Key = tuple[str, int]
"""Type and id of a record."""
Behind = dict[Key, Roots]
"""Created record -> the records of the start's first runs that it was created from."""


def followers(session: Session, start_id: int) -> list[ScheduledTask]:
    """The runs of a start that begin at a later step, in order."""
    run = ScheduledTask
    query = select(run).where(run.start_id == start_id, run.from_step > 0).order_by(run.id)
    return list(
        session.scalars(query.options(joinedload(run.detail)).execution_options(populate_existing=False))
    )


def is_under_way(runs: Iterable[ScheduledTask]) -> bool:
    """Whether any of them has not ended."""
    return any(run.status not in CLOSED for run in runs)


def handed_items(context: RunContext) -> list[PendingWork]:
    """What the run passed on of the records it created; its own records that it did not take belong to nobody yet."""
    items = context.detail.options.get("handed_on", [])
    return [item for item in items if item["from_step"] > context.run.from_step]


def starts_of(context: RunContext, items: Iterable[PendingWork]) -> set[int]:
    """The starts whose runs continue the items."""
    return {item.get(OF_START) or start_of(context.run) for item in items}


def behind_first_runs(session: Session, context: RunContext) -> Behind:
    """All records created by runs of this run's start, with their source records in its first runs."""
    start, run = start_of(context.run), ScheduledTask
    query = select(run).where(or_(run.id == start, run.start_id == start), run.from_step == 0)
    behind: Behind = {}
    for first in session.scalars(query.order_by(run.id)).all():
        _note_made(session, load_context(session, first, context.now), behind)
    for later in followers(session, start):
        _note_made(session, load_context(session, later, context.now), behind)
    return behind


def _note_made(session: Session, context: RunContext, behind: Behind) -> None:
    for _step, receipt, roots, lineage in walked(session, context):
        for record_type, ids in receipt.made.items():
            for record_id in ids:
                own = lineage.behind(record_type, record_id, roots)
                behind[record_type, record_id] = roots_behind(context, own, behind)


def walked(session: Session, context: RunContext) -> Iterator[tuple[Step, Receipt, Roots, Lineage]]:
    """The run's receipts, step by step, each with its source records."""
    lineage = Lineage(session, context, context.detail.records or [])
    receipts = receipts_of(session, context.run.id)
    for step in steps_of(context):
        for receipt, roots in lineage.note(step, receipts.get(step.index, [])):
            yield step, receipt, roots, lineage


def roots_behind(context: RunContext, own: Collection[int], behind: Mapping[Key, Roots]) -> Roots:
    """The source records, in the first runs, of some of a run's own records."""
    if not context.run.from_step:
        return frozenset(own)
    record_type = context.run.record_type or ""
    return frozenset[int]().union(*(behind.get((record_type, key), frozenset()) for key in own))


def made_roots(behind: Mapping[Key, Roots], record_type: str | None, ids: Sequence[int]) -> Roots:
    """The source records, in the first runs, of created records."""
    return frozenset[int]().union(*(behind.get((record_type or "", key), frozenset()) for key in ids))
