"""Work left over by a run continues in one follow-up run, in the same chain and start; else it is counted as remaining.

The records that were passed on are stored on the run (`handed_on`), so that a later attempt does not pass them on
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_documents import PendingWork, RunOptions
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs.context import RunContext, handed_on
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.pricing import WorkPrices
from app.business.automation.services.runs.record_claims import is_selected
from app.business.automation.services.runs.start_list import (
    NO_LIST,
    ListSpan,
    start_of,
    start_records,
    stretch_of,
)
from app.business.automation.services.runs.start_total import start_left
from app.business.automation.services.runs.steps import steps_after, steps_over
from app.business.automation.services.runs.windows import window_of

FOLLOWING_CAUSES = (Cause.EVENT, Cause.BACKFILL, Cause.MANUAL, Cause.API)
"""Planned runs have no follow-ups: records left over wait for the next planned time."""
PASSED_ON: Final = ("even_if_off", "selected", "reviewed")
"""Options that follow-ups inherit: decisions of a person."""
HANDED_PROMISED: Final = "handed_promised"
"""Option of a run: the number of promised records that were passed on to follow-ups."""


@dataclass(frozen=True)
class Rest:
    """Work left over by a run: single items, then the list of its start from `place.end` on."""

    items: list[PendingWork] = field(default_factory=list)
    place: ListSpan = NO_LIST

    def __bool__(self) -> bool:
        return bool(self.items) or self.place.beyond > 0

    @property
    def promised(self) -> int:
        """The number of promised records in it; the others were created on the way."""
        return self.place.beyond + sum(len(item["records"]) for item in self.items if not item["from_step"])

    def in_words(self, record_type: str | None) -> str:
        """`100 tasks`, `100 clusters and 12 tasks`."""
        counts: dict[str | None, int] = {}
        if self.place.beyond:
            counts[record_type] = self.place.beyond
        for item in self.items:
            counts[item["record_type"]] = counts.get(item["record_type"], 0) + len(item["records"])
        return " and ".join(plural(count, name) for name, count in counts.items())


def rest_of(context: RunContext, more: Sequence[PendingWork] = ()) -> Rest:
    """All work left over by the run: records it did not take, the rest of its later steps, and the list."""
    run, options = context.run, context.detail.options
    if run.cause not in FOLLOWING_CAUSES:
        return Rest(merged_rest(context, more))
    own = options.get("left_over") if run.admitted_at else context.detail.records
    item: PendingWork = {"from_step": run.from_step, "record_type": run.record_type, "records": own or []}
    return Rest(merged_rest(context, [*more, item]), stretch_of(context.detail))


def merged_rest(context: RunContext, rest: Sequence[PendingWork]) -> list[PendingWork]:
    """Work left over by all attempts: a later attempt finds the same records again, so each is listed once."""
    options, merged = context.detail.options, []
    known = handed_on(context)
    for item in [*options.get("rest", []), *rest]:
        records = [record_id for record_id in item["records"] if (item["from_step"], record_id) not in known]
        known.update((item["from_step"], record_id) for record_id in records)
        if records:
            merged.append(item | {"records": records})
    return merged


def open_follow_up(session: Session, context: RunContext, more: Sequence[PendingWork] = ()) -> list[str]:
    """Continue the work left over in one follow-up. Returns a sentence if the start's total does not pay for more.

    The run's own credits must be released before.
    """
    rest = rest_of(context, more)
    payable = _payable(session, context, rest) if rest else rest
    if payable is not None:
        context.run.remaining = 0
        if payable:
            hand_on(session, context, payable)
        return []
    context.detail.options = context.detail.options | {"rest": rest.items}
    context.run.remaining = rest.promised
    return [f"{rest.in_words(context.rule.record_type)} left: {_used_up(session, context)}."]


def pass_over(session: Session, context: RunContext) -> None:
    """Continue with the work after the run's own records, which are not worked on."""
    rest = rest_of(context)
    own = (context.run.from_step, context.detail.records or [])
    behind = replace(rest, items=[item for item in rest.items if (item["from_step"], item["records"]) != own])
    payable = _payable(session, context, behind) if behind else None
    if payable:
        hand_on(session, context, payable)


def hand_on(session: Session, context: RunContext, rest: Rest) -> ScheduledTask:
    """Open the run that continues with `rest`; it passes on what it does not take itself."""
    run, options = context.run, context.detail.options
    first, others, place = _next_window(session, context, rest)
    context.detail.options = options | {
        "handed_on": [*options.get("handed_on", []), *rest.items],
        HANDED_PROMISED: options.get(HANDED_PROMISED, 0) + rest.promised,
        **replace(rest.place, end=rest.place.total).as_option(),
    }
    passed_on: RunOptions = {}
    for name in PASSED_ON:
        if name in options:
            passed_on[name] = options[name]
    if others:
        passed_on["rest"] = others
    return open_run(
        session,
        context.rule,
        Opening(
            cause=Cause(run.cause),
            scheduled_at=context.now,
            record_type=first["record_type"],
            records=first["records"],
            site_id=run.site_id,
            split_site_id=run.split_site_id,
            chain=context.detail.chain,
            root_id=run.root_id or run.id,
            depth=run.depth,
            user_id=run.user_id,
            api_key_id=run.api_key_id,
            follows_id=_last_follower(session, run.id),
            start_id=start_of(run),
            promised=None if run.promised is None else rest.promised,
            from_step=first["from_step"],
            options=passed_on | place.as_option(),
        ),
    )


def _next_window(
    session: Session, context: RunContext, rest: Rest
) -> tuple[PendingWork, list[PendingWork], ListSpan]:
    """The records of the next run, what it passes on, and its span of the list; filled up from the list."""
    place = ListSpan(rest.place.end, rest.place.end, rest.place.total)
    empty: PendingWork = {"from_step": 0, "record_type": context.rule.record_type, "records": []}
    first, *others = rest.items or [empty]
    if place.beyond and not first["from_step"]:
        size = window_of(context.definition, picked=not is_selected(context))
        end = min(place.end + max(size - len(first["records"]), 0), place.total)
        added = start_records(session, context.run)[place.end : end]
        first, place = first | {"records": [*first["records"], *added]}, replace(place, end=end)
    return first, others, place


def _payable(session: Session, context: RunContext, rest: Rest) -> Rest | None:
    """The rest, starting with an item that the start's total pays for; None if there is none."""
    left = start_left(session, context)
    if left is None:
        return rest
    payable = [item for item in rest.items if _cheapest(session, context, item) <= left]
    if payable:
        return replace(rest, items=[*payable, *(item for item in rest.items if item not in payable)])
    first, _, _ = _next_window(session, context, replace(rest, items=[]))
    return rest if first["records"] and _cheapest(session, context, first) <= left else None


def _cheapest(session: Session, context: RunContext, item: PendingWork) -> int:
    actions, own_type = stored_actions(context.rule.actions), context.rule.record_type
    steps = (
        steps_after(actions, own_type, item["record_type"], item["from_step"])
        if item["from_step"]
        else steps_over(actions, item["record_type"])
    )
    prices = WorkPrices(session, context.account.id, steps, item["record_type"], item["records"])
    return min(prices.amount([record_id]) for record_id in item["records"])


def _used_up(session: Session, context: RunContext) -> str:
    total = context.max_credits or 0
    left = start_left(session, context) or 0
    credits = f"{total:,} credit{'' if total == 1 else 's'} of this start"
    return f"the {credits} are used" if not left else f"{left:,} of the {credits} are free, too few for one"


def _last_follower(session: Session, run_id: int) -> int:
    """A run has at most one follow-up: work left over by a retry is appended to the existing ones."""
    while follower := session.scalar(select(ScheduledTask.id).where(ScheduledTask.follows_id == run_id)):
        run_id = follower
    return run_id
