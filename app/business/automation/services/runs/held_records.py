"""Records that another run of the rule holds: by which run, for how long, and what a run that needs them does.

A run that could take other records continues with those, and a follow-up takes the held ones. If all its records are
held, it waits for the run that holds them. It holds no records while it waits, so that no two runs wait for each other.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Stop
from app.business.automation.services.runs.waiting import waits_until
from app.business.time_zones import time_in

TAKEN_UP_WITHIN = timedelta(seconds=90)
"""A run of a lost worker continues, or releases its records, within this time after its last heartbeat."""
WAITS_FOR = {
    Waiting.DAY: "waits for tomorrow, when its rule may run again",
    Waiting.CREDITS: "waits for credits",
    Waiting.BUDGET: "waits for budget",
    Waiting.PAUSE: "waits until automation is resumed",
    Waiting.REVIEW: "waits for a person to say go on",
    Waiting.PREVIOUS: "waits for the run before it",
    Waiting.PERSON: "waits for a person's answer",
}
FOLLOW = {True: "They follow when it has ended.", False: "What it leaves is taken at the next planned time."}
"""Whether the run has follow-ups -> what happens to the records that it left to their holder."""


def wait_for_holder(context: RunContext, holders: Mapping[int, int]) -> Stop:
    """The run cannot do anything before one of these runs releases its records."""
    if not holders:
        # Released in the meantime: the next sweep retries.
        return Stop(Reason.OVERLAP, "Its records were just held by another run.", Waiting.PREVIOUS)
    counts = Counter(holders.values())
    (run_id, count), *_ = counts.most_common(1)
    others = len(holders) - count
    also = f", and other runs hold {others:,} more" if others else ""
    message = f"Run {run_id} of this rule holds {context.plural(count)} that this run works on{also}."
    return Stop(Reason.OVERLAP, message, Waiting.PREVIOUS, waits_for_run_id=run_id)


def left_to_holders(context: RunContext, holders: Mapping[int, int]) -> str:
    """The note of a run on records that it left to the runs that hold them."""
    runs = sorted(set(holders.values()))
    hold = "holds" if len(runs) == 1 else "hold"
    who = f"run {runs[0]}" if len(runs) == 1 else f"runs {', '.join(map(str, runs[:3]))}"
    more = " and others" if len(runs) > 3 else ""
    what = "it" if len(holders) == 1 else "them"
    return (
        f"{context.plural(len(holders))} left out: {who}{more} of this rule {hold} {what} now. "
        f"{FOLLOW[context.is_followed]}"
    )


def holder_of(session: Session, run: ScheduledTask) -> ScheduledTask | None:
    """The run whose records a waiting run waits for."""
    return session.get(ScheduledTask, run.waits_for_run_id) if run.waits_for_run_id else None


def held_until(holder: ScheduledTask, zone: str, now: datetime) -> str:
    """The state of the run that holds records, and until when it may hold them."""
    name = f"Run {holder.id}"
    if holder.status == Status.RUNNING:
        last = holder.lease_until
        if last is None or last >= now:
            return f"{name} is working on it now and lets go when it ends."
        until = time_in(last + TAKEN_UP_WITHIN, zone)
        return f"{name} does not answer any more; it is taken up again by {until} at the latest."
    if holder.status != Status.PENDING:
        return f"{name} has ended."
    if holder.waiting_for:
        longest = waits_until(holder)
        most = f", until {time_in(longest, zone)} at most" if longest else ""
        return f"{name} {WAITS_FOR[Waiting(holder.waiting_for)]}{most}."
    if holder.not_before and holder.not_before > now:
        return f"{name} is tried again at {time_in(holder.not_before, zone)}."
    return f"{name} goes on as soon as a worker is free."
