"""What a credit limit left over of a run goes on in a follow-up: one for each run, under the same chain.

Which records went over stays on the run (`handed_on`), so that a later attempt does not hand them on again.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.automation.services.runs.run_context import RunContext, handed_on

FOLLOWING_CAUSES = (Cause.EVENT, Cause.BACKFILL, Cause.MANUAL, Cause.API)
"""A planned run is not followed: what is left of its matches waits for the next planned time."""


def merged_rest(context: RunContext, rest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Left-over work of all attempts: an attempt meets again what an earlier one left, so each record once."""
    options, merged = context.detail.options, []
    known = handed_on(context)
    for item in [*options.get("rest", []), *rest]:
        records = [record_id for record_id in item["records"] if (item["from_step"], record_id) not in known]
        known.update((item["from_step"], record_id) for record_id in records)
        if records:
            merged.append(item | {"records": records})
    return merged


def open_follow_up(session: Session, context: RunContext, rest: list[dict[str, Any]]) -> None:
    """What the credit limit left over goes on in one further run; that one passes on what is left after it."""
    run, options = context.run, context.detail.options
    left_over = options.get("left_over") or []
    if left_over and run.cause in FOLLOWING_CAUSES:
        rest = [*rest, {"from_step": run.from_step, "record_type": run.record_type, "records": left_over}]
    remaining = merged_rest(context, rest)
    if not remaining:
        return
    context.detail.options = options | {"handed_on": [*options.get("handed_on", []), *remaining]}
    first, *others = remaining
    open_run(
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
            start_id=run.start_id or run.id,
            from_step=first["from_step"],
            options={"rest": others} if others else {},
        ),
    )


def _last_follower(session: Session, run_id: int) -> int:
    """A run is followed by one run only: what a retry leaves over comes after those that follow already."""
    while follower := session.scalar(select(ScheduledTask.id).where(ScheduledTask.follows_id == run_id)):
        run_id = follower
    return run_id
