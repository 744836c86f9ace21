"""What a run costs at most, before and while it works; the records a credit limit pays for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.runs.run_context import RunContext
from app.business.automation.services.runs.run_steps import Step, finished_units, input_ids, steps_of
from app.business.planner.models import Keyword
from app.business.writer.models import Task


@dataclass(frozen=True)
class StepPrice:
    """Prices of one step's units: `amount(ids)` is the most they can cost together."""

    step: Step
    measure: dict[int, Any]

    def amount(self, ids: list[int]) -> int:
        """Credits that the units of `ids` cost at most."""
        price, params = self.step.entry.price, self.step.params
        match self.step.entry.key:
            case "cluster_keywords":
                sectors = Counter(self.measure[key] for key in ids if key in self.measure)
                return sum(price(params, count) for count in sectors.values())
            case "generate_content":
                return sum(price(params, self.measure[key]) for key in ids if key in self.measure)
            case _:
                return sum(price(params, 1) for _ in ids)


def step_price(session: Session, step: Step, ids: list[int]) -> StepPrice:
    """Load what the step's price depends on: the sector of a keyword, the asked words of a task."""
    measures: dict[str, Any] = {
        "cluster_keywords": (Keyword.id, Keyword.sector_id),
        "generate_content": (Task.id, Task.word_count),
    }
    columns = measures.get(step.entry.key)
    if columns is None:
        return StepPrice(step, {})
    rows = session.execute(select(*columns).where(columns[0].in_(ids)))
    return StepPrice(step, dict(rows.all()))


def known_price(session: Session, context: RunContext, records: list[int]) -> int:
    """Most credits of all unfinished units whose records are known now."""
    total = 0
    for step in steps_of(context):
        if step.known_at_start and step.source != "run":
            ids = _unfinished(session, context, step, input_ids(session, context, step, records))
            total += step_price(session, step, ids).amount(ids)
    return total


def price_of_one(session: Session, context: RunContext, records: list[int]) -> int:
    """Most credits for the first record alone."""
    return known_price(session, context, records[:1])


def affordable(session: Session, context: RunContext, records: list[int], limit: int) -> list[int]:
    """The longest beginning of `records` whose known price stays within `limit`."""
    return longest_within(lambda some: known_price(session, context, some), records, limit)


def affordable_units(price: StepPrice, ids: list[int], budget: int) -> list[int]:
    """The longest beginning of a step's units that `budget` credits pay for."""
    return longest_within(price.amount, ids, budget)


def longest_within(price: Callable[[list[int]], int], ids: list[int], limit: int) -> list[int]:
    """The longest beginning of `ids` that costs at most `limit`."""
    if price(ids) <= limit:
        return ids
    low, high = 0, max(len(ids) - 1, 0)
    while low < high:
        middle = (low + high + 1) // 2
        if price(ids[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return ids[:low]


def _unfinished(session: Session, context: RunContext, step: Step, ids: list[int]) -> list[int]:
    # Not by the attempt: one that waited between two steps is not counted, yet its units are finished.
    if context.run.admitted_at is None:
        return ids
    done = finished_units(session, context.run.id, step.index)
    if step.entry.unit_of == "sector":
        rows = session.execute(select(Keyword.id, Keyword.sector_id).where(Keyword.id.in_(ids)))
        sectors = dict(rows.all())
        return [key for key in ids if sectors.get(key) not in done]
    return [key for key in ids if key not in done]
