"""Results of the gates: a pass with a sentence, or a stop with its reason and what the run could wait for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.business.automation.run_documents import ExhaustedBudget, GateLine, RunOptions, Would
from app.business.automation.run_models import Reason, Waiting
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.record_selection import Choice
from app.business.automation.services.runs.start_list import NO_LIST, ListSpan
from app.business.billing.services.credit_service import Budget, BudgetScope, Shortfall


@dataclass(frozen=True)
class Stop:
    """A gate stops the run: reason code, sentence, and what a waiting run waits for.

    waits_for_run_id: the run that holds the records · would: figures of what a practice run would have done · budget:
    the exhausted one.
    """

    reason: Reason
    message: str
    waiting: Waiting | None = None
    credits_needed: int | None = None
    waits_for_run_id: int | None = None
    would: Would | None = None
    budget: Budget | None = None

    def kept_budget(self) -> ExhaustedBudget | None:
        """The budget as stored on the run: whose it is, and the period for which it is exhausted."""
        if self.budget is None:
            return None
        budget = self.budget
        return {
            "scope": str(budget.scope),
            "id": budget.scope_id,
            "name": budget.title,
            "period": budget.period,
        }


class OutOfCredits(Exception):
    """Credits or a budget ran out between two steps."""

    def __init__(self, shortfall: Shortfall) -> None:
        super().__init__(shortfall.sentence)
        self.shortfall = shortfall


@dataclass
class Admission:
    """What the gates have decided so far: the records, and those left over by limits.

    origins: record -> the run that left it unfinished · continued_records: the records whose finished work was taken
    over · place: the part of the start's list that was considered · looked_at: records offered.
    """

    choice: Choice = field(default_factory=Choice)
    records: list[int] = field(default_factory=list)
    origins: dict[int, int] = field(default_factory=dict)
    continued_records: list[int] = field(default_factory=list)
    left_over: list[int] = field(default_factory=list)
    place: ListSpan = NO_LIST
    looked_at: int = 0
    price: int = 0
    stop: Stop | None = None
    gates: list[GateLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def options(self) -> RunOptions:
        """What the run keeps of it."""
        kept: RunOptions = {"left_over": self.left_over, "notes": self.notes, "matched": self.choice.matched}
        return kept | self.place.as_option()

    @property
    def left_out(self) -> int:
        """The number of promised records that the run does not process, and hands to nobody."""
        return self.looked_at - len(self.records) - len(self.left_over)


Gate = Callable[[Session, RunContext, Admission], str | Stop | None]
"""Returns the sentence of a pass, None if the check does not apply, or a Stop."""


def stop_of(shortfall: Shortfall) -> Stop:
    """A refused hold as a Stop."""
    if shortfall.budget and shortfall.budget.scope == BudgetScope.START:
        return Stop(Reason.BUDGET, shortfall.sentence)
    if shortfall.kind == "budget":
        return Stop(Reason.BUDGET, shortfall.sentence, Waiting.BUDGET, budget=shortfall.budget)
    return Stop(Reason.INSUFFICIENT_CREDITS, shortfall.sentence, Waiting.CREDITS, shortfall.needed)
