"""The number of runs and credits of a chain of runs over given records.

Simulates the engine: each run takes as many records as its window and its credit limit allow; steps over created
records are counted with the number of records that earlier steps can create; what exceeds a run's limit continues in
runs that begin at that step.
"""

from dataclasses import dataclass
from functools import cache

from app.business.automation.services.catalogue.actions.registry import decided_by, made_by, usual_amounts
from app.business.automation.services.rules.cost import made_from, price_of_action
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.runs.pricing import WorkPrices, longest_within
from app.business.automation.services.runs.steps import Step, steps_over


@dataclass(frozen=True)
class RunsAndCredits:
    """A number of runs, and the credits they spend together."""

    runs: int = 0
    credits: int = 0

    def __add__(self, other: "RunsAndCredits") -> "RunsAndCredits":
        return RunsAndCredits(self.runs + other.runs, self.credits + other.credits)

    def times(self, number: int) -> "RunsAndCredits":
        return RunsAndCredits(self.runs * number, self.credits * number)


class ChainWork:
    """Computes the chain; `most`: with the upper bound of created records, else with the estimate."""

    def __init__(self, definition: RuleDefinition, prices: WorkPrices, *, most: bool) -> None:
        self.definition, self.prices, self.most = definition, prices, most
        self.limit = definition.credit_limit_per_execution
        self.steps = steps_over(definition.actions, definition.record_type)
        self.amounts = _amounts_by_step(definition)
        self.after, self.following = cache(self._after), cache(self._following)

    def affordable(self, ids: list[int]) -> list[int]:
        """Records whose price is within a run's limit."""
        return [key for key in ids if self.prices.amount([key]) <= self.limit]

    def of(self, ids: list[int], window: int) -> RunsAndCredits:
        """The whole chain over `ids`, each of them affordable; each run takes up to `window` of them."""
        total, position = RunsAndCredits(), 0
        while position < len(ids):
            taken = longest_within(self.prices.amount, ids[position : position + window], self.limit)
            total += self._one(taken)
            position += len(taken)
        return total

    def without_records(self) -> RunsAndCredits:
        """The single run of a rule without records."""
        return self._one([])

    def costing(self, known: int) -> RunsAndCredits:
        """The chain over one record of which only the price is known."""
        return RunsAndCredits(1, known) + self.after(0, 1, known) if known <= self.limit else RunsAndCredits()

    def _one(self, taken: list[int]) -> RunsAndCredits:
        known = self.prices.amount(taken)
        return RunsAndCredits(1, known) + self.after(0, len(taken), known)

    def _after(self, first: int, units: int, spent: int) -> RunsAndCredits:
        """What the steps from `first` on add to a run over `units` records that has reserved `spent` credits
        already."""
        counts = {self.steps[first].record_type if first else self.definition.record_type: units}
        total = RunsAndCredits()
        for step in self.steps[first:]:
            count = self._units(step, units, counts)
            one = self.price_of_one(step) if step.source == "made" and step.index > first else 0
            if one:
                fitting = min(count, max(self.limit - spent, 0) // one)
                total += RunsAndCredits(0, fitting * one) + self.following(step.index, count - fitting)
                count, spent = fitting, spent + fitting * one
            if made := made_by(step.action):
                counts[made] = made_from(step.action, count, most=self.most)
        return total

    def _following(self, index: int, count: int) -> RunsAndCredits:
        """Runs that begin at that step, over `count` records created by earlier runs."""
        one, fixed = self.price_of_one(self.steps[index]), self._fixed_from(index)
        fitting = max(self.limit - fixed, 0) // one
        if count <= 0 or fitting < 1:
            return RunsAndCredits()
        full, rest = divmod(count, fitting)
        return self._begin_at(index, fitting).times(full) + (
            self._begin_at(index, rest) if rest else RunsAndCredits()
        )

    def _begin_at(self, index: int, count: int) -> RunsAndCredits:
        spent = self._fixed_from(index) + count * self.price_of_one(self.steps[index])
        return RunsAndCredits(1, spent) + self.after(index, count, spent)

    def _units(self, step: Step, units: int, counts: dict[str | None, int]) -> int:
        if step.source == "explicit":
            return len(self.prices.explicit.get(step.index, ()))
        return counts.get(step.record_type, units)

    def _fixed_from(self, index: int) -> int:
        return sum(amount for step, amount in self.prices.fixed.items() if step >= index)

    def price_of_one(self, step: Step) -> int:
        """Credits of one record created by an earlier step."""
        return price_of_action(step.action, 1, self.amounts[step.index], connected=self.prices.connected)


def _amounts_by_step(definition: RuleDefinition) -> list[dict[str, int]]:
    """By step: default amounts, replaced by those that earlier actions set."""
    amounts, found = usual_amounts(), []
    for action in definition.actions:
        amounts = {**amounts, **decided_by(action)}
        found.append(amounts)
    return found
