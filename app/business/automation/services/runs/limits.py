"""The records that a run's credit limit and its start's total pay for, and what happens to the others."""

from dataclasses import dataclass, field, replace

from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.pricing import WorkPrices, longest_within
from app.business.automation.services.runs.start_total import bound_of


@dataclass(frozen=True)
class WithinLimits:
    """taken: what the run pays for · later: for another run, or for a higher total · too_dear: each costs more than
    a run's limit."""

    taken: list[int] = field(default_factory=list)
    later: list[int] = field(default_factory=list)
    too_dear: list[int] = field(default_factory=list)


def within_limits(prices: WorkPrices, ids: list[int], limit: int, most: int) -> WithinLimits:
    """The longest prefix that `most` credits pay for; records that cost more than that alone are left out of it."""
    too_dear = [key for key in ids if prices.amount([key]) > limit]
    fitting = [key for key in ids if prices.amount([key]) <= most]
    taken = longest_within(prices.amount, fitting, most)
    settled = {*taken, *too_dear}
    return WithinLimits(taken, [key for key in ids if key not in settled], too_dear)


def keep_left_over(admission: Admission, chosen: WithinLimits) -> WithinLimits:
    """Leave records to later runs: the tail of the start's list by position, others by id.

    Returns the decision without that tail, which the next run evaluates again.
    """
    tail = _tail(admission, chosen)
    rest = replace(chosen, too_dear=[key for key in chosen.too_dear if key not in tail])
    left_over = [*admission.left_over, *chosen.later, *admission.choice.held]
    admission.left_over = [key for key in left_over if key not in tail]
    admission.place = replace(admission.place, end=admission.place.end - len(tail))
    admission.looked_at -= len(tail)
    return rest


def _tail(admission: Admission, chosen: WithinLimits) -> set[int]:
    """Records of the list after the last one taken, if any of them could be taken later."""
    window, place = admission.choice.window, admission.place
    taken, later = set(chosen.taken), set(chosen.later)
    begin = len(window) - (place.end - place.begin)
    last = max((number for number, key in enumerate(window) if key in taken), default=-1)
    behind = window[max(last + 1, begin) :] if place.total else []
    return set(behind) if later.intersection(behind) else set()


def limit_notes(context: RunContext, chosen: WithinLimits, limit: int, most: int) -> list[str]:
    """Notes on records that the run does not take."""
    notes = []
    if chosen.too_dear:
        what = context.plural(len(chosen.too_dear))
        verb = "costs" if len(chosen.too_dear) == 1 else "cost"
        notes.append(f"{what} left out: each alone {verb} more than the limit of {limit:,} credits per run.")
    if chosen.later:
        all_of_them = context.plural(len(chosen.taken) + len(chosen.later))
        notes.append(f"{len(chosen.taken)} of {all_of_them}: {bound_of(context, limit, most)} no more.")
    return notes
