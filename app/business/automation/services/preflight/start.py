"""Opening a start: its records are fixed when it is requested, and its total credits are limited."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_documents import RunOptions
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.preflight.start_parts import StartPart, parts_of_start
from app.business.automation.services.preflight.start_price import StartPrice, price_of_parts
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.start_list import NO_LIST, ListSpan
from app.business.automation.services.runs.windows import window_of
from app.business.automation.services.triggering.meanwhile import records_meanwhile


@dataclass(frozen=True)
class Start:
    """A planned start: the records it promises to work on, and its price."""

    parts: list[StartPart]
    picked: bool
    price: StartPrice


def plan_start(
    session: Session, rule: AutomationRule, cause: Cause, now: datetime, record_ids: Sequence[int] | None
) -> Start:
    """Plan a start of the rule with these records, or with all that match and may be taken. Nothing is written."""
    picked = record_ids is not None
    parts = parts_of_start(session, rule, cause, now, record_ids)
    return Start(parts, picked, price_of_parts(session, parts, picked))


def open_start(
    session: Session, rule: AutomationRule, start: Start, opening: Opening, max_credits: int | None
) -> ScheduledTask:
    """Open the first run of each part; returns that of the first part.

    Without `max_credits` the limit for all of them together is their price.
    """
    total = start.price.credits_max if max_credits is None else max_credits
    places = list(_places(start))
    listed = [
        key
        for part, place in zip(start.parts, places, strict=True)
        if place.total
        for key in part.offered or ()
    ]
    first = replace(
        opening, max_credits=None if rule.mode == "shadow" else total, start_records=listed or None
    )
    head = open_run(session, rule, _of_part(start, start.parts[0], places[0], first))
    further = replace(opening, start_id=head.id, request_key=None, request_hash=None)
    for part, place in zip(start.parts[1:], places[1:], strict=True):
        open_run(session, rule, _of_part(start, part, place, further))
    return head


def open_backfill(
    session: Session, rule: AutomationRule, opening: Opening, since: datetime | None, max_credits: int | None
) -> None:
    """Open runs of an event rule over existing records; after an automatic stop only over those since `since`."""
    if rule.trigger == "schedule":
        return
    now = opening.scheduled_at
    chosen = records_meanwhile(session, rule, since, now) if since else None
    if chosen is None or chosen:
        start = plan_start(session, rule, Cause.BACKFILL, now, chosen)
        open_start(session, rule, start, opening, max_credits)


def _places(start: Start) -> Iterator[ListSpan]:
    """For each part, the slice of the common list of records that its first run takes."""
    begin = 0
    for part in start.parts:
        count, size = len(part.offered or ()), window_of(part.context.definition, picked=start.picked)
        yield ListSpan(begin, begin + size, begin + count) if count > size else NO_LIST
        begin += count if count > size else 0


def _of_part(start: Start, part: StartPart, place: ListSpan, opening: Opening) -> Opening:
    site_id = part.context.run.split_site_id
    opening = replace(opening, site_id=site_id or None, split_site_id=site_id)
    if not part.offered:
        # There are no records to promise: the run selects when it begins, and reports why it finds none.
        return opening
    selected: RunOptions = {} if start.picked else {"selected": True}
    return replace(
        opening,
        records=part.offered[: place.end - place.begin] if place.total else part.offered,
        promised=len(part.offered),
        options=opening.options | selected | place.as_option(),
    )
