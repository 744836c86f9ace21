"""Upper bounds of a run's price, before and during its execution; and the records that a credit limit pays for."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.registry import explicit_ids
from app.business.automation.services.catalogue.record_models import MODELS, known_ids
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import (
    IDS_IN_A_QUERY,
    Step,
    finished_units,
    input_ids,
    parents_of,
    steps_of,
)
from app.business.outlets.services.ai_connections import is_connected


@dataclass(frozen=True)
class StepPrice:
    """Prices of one step's units: `amount(ids)` is the upper bound for them together.

    connected: whether the account has an AI connection.
    """

    step: Step
    measured: dict[int, int]
    connected: bool

    def amount(self, ids: list[int]) -> int:
        """Upper bound of the credits of the units of `ids`."""
        return self.step.entry.price_of_records(
            self.step.params, ids, self.measured, connected=self.connected
        )

    def by_site(self, ids: list[int], sites: Mapping[int, int]) -> Counter[int]:
        """The same by site of the records: a unit never works on records of two sites."""
        grouped: dict[int, list[int]] = defaultdict(list)
        for record_id in ids:
            grouped[sites.get(record_id, 0)].append(record_id)
        return Counter(
            {site_id: amount for site_id, some in grouped.items() if (amount := self.amount(some))}
        )


def step_price(session: Session, account_id: int, step: Step, ids: list[int]) -> StepPrice:
    """Load what the step's price is based on: the sector of a keyword, the requested words of a task, and whether an
    AI service writes."""
    measure = step.entry.measure
    measured: dict[int, int] = {}
    connected = not step.entry.by_connection or is_connected(session, account_id)
    if measure is None:
        return StepPrice(step, measured, connected)
    for start in range(0, len(ids), IDS_IN_A_QUERY):
        chunk = ids[start : start + IDS_IN_A_QUERY]
        rows = select(measure.key, measure.column).where(measure.key.in_(chunk))
        measured.update(session.execute(rows).all())
    return StepPrice(step, measured, connected)


class WorkPrices:
    """Upper bound of the price of work on any of the records, loaded once, for steps whose records are known before the
    run.

    context: a run that may have receipts already; None for work that has not begun.
    """

    def __init__(
        self,
        session: Session,
        account_id: int,
        steps: Sequence[Step],
        record_type: str | None,
        ids: list[int],
        context: RunContext | None = None,
    ) -> None:
        def open_units(step: Step, all_of_them: list[int]) -> list[int]:
            return _unfinished(session, context, step, all_of_them) if context else all_of_them

        self._session, self._account_id = session, account_id
        self._prices: list[tuple[StepPrice, dict[int, int] | None]] = []
        self.explicit: dict[int, list[int]] = {}
        """By step: records named in the rule, whatever the run's own records."""
        self.fixed: dict[int, int] = {}
        """By step: the price of these."""
        for step in steps:
            if step.source == "explicit":
                written = explicit_ids(step.action) or []
                known = sorted(known_ids(session, step.record_type or "", written, account_id))
                self.explicit[step.index] = known
                left = open_units(step, known)
                self.fixed[step.index] = step_price(session, account_id, step, left).amount(left)
            elif not step.entry.is_paid:
                continue
            elif step.source == "records":
                left = open_units(step, ids)
                itself = None if len(left) == len(ids) else dict(zip(left, left, strict=True))
                self._prices.append((step_price(session, account_id, step, left), itself))
            elif step.source == "parents":
                parents = parents_of(session, record_type or "", step.record_type or "", ids)
                left = open_units(step, list(dict.fromkeys(parents.values())))
                wanted = set(left)
                of_parents = {key: parent for key, parent in parents.items() if parent in wanted}
                self._prices.append((step_price(session, account_id, step, left), of_parents))

    @cached_property
    def connected(self) -> bool:
        """Whether the account has an AI connection."""
        return is_connected(self._session, self._account_id)

    def amount(self, ids: list[int]) -> int:
        """Credits for these records in one run."""
        return sum(self.fixed.values()) + sum(
            price.amount(ids if parents is None else list({parents[key] for key in ids if key in parents}))
            for price, parents in self._prices
        )


def known_price(session: Session, context: RunContext, records: list[int]) -> int:
    """Upper bound of the credits of all unfinished units whose records are known now."""
    return sum(price.amount(ids) for price, ids in known_prices(session, context, records))


def known_prices(
    session: Session, context: RunContext, records: list[int]
) -> Iterator[tuple[StepPrice, list[int]]]:
    """The paid steps whose records are known now: prices, and unfinished ids."""
    for step in steps_of(context):
        if step.known_at_start and step.source != "run" and step.entry.is_paid:
            ids = _unfinished(session, context, step, input_ids(session, context, step, records))
            yield step_price(session, context.account.id, step, ids), ids


def affordable(session: Session, context: RunContext, records: list[int], limit: int) -> list[int]:
    """The longest prefix of `records` whose known price is within `limit`."""
    return longest_within(lambda some: known_price(session, context, some), records, limit)


def affordable_units(price: StepPrice, ids: list[int], budget: int) -> list[int]:
    """The longest prefix of a step's units that `budget` credits pay for."""
    return longest_within(price.amount, ids, budget)


def longest_within(price: Callable[[list[int]], int], ids: list[int], limit: int) -> list[int]:
    """The longest prefix of `ids` that costs at most `limit`; exponential search from the front, where it usually
    ends."""
    low, high = 0, 1
    while high < len(ids) and price(ids[:high]) <= limit:
        low, high = high, high * 2
    if high >= len(ids):
        if price(ids) <= limit:
            return ids
        high = len(ids)
    high = max(high - 1, 0)
    while low < high:
        middle = (low + high + 1) // 2
        if price(ids[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return ids[:low]


def _unfinished(session: Session, context: RunContext, step: Step, ids: list[int]) -> list[int]:
    done = finished_units(session, context.run.id, step.index) if context.has_receipts else set()
    ids = [key for key in ids if (step.record_type, key) not in done]
    if step.entry.unit_of == "sector":
        model = MODELS[step.record_type or ""]
        rows = session.execute(select(model.id, model.sector_id).where(model.id.in_(ids)))
        sectors = dict(rows.all())
        return [key for key in ids if ("sector", sectors.get(key)) not in done]
    return ids
