"""The order in which a rule would have taken records at a past moment; the past version of `record_order`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import nsmallest
from random import Random
from typing import Any

from app.business.automation.services.backtest.past_facts import CHUNK
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.catalogue.record_order import NEWEST, OLDEST, order_field
from app.business.automation.services.conditions.record_fields import load_rows
from app.business.automation.services.transactions import Transaction
from app.business.planner.services.record_snapshot import CLUSTER_FIGURES, kept_names


class ReplayOrder:
    """`columns`: the own values that it needs; all others are read as of today."""

    def __init__(self, trial: Trial, read: Transaction) -> None:
        self.trial, self.read, self.order = trial, read, trial.definition.order
        record_type = trial.definition.record_type
        self.field = order_field(self.order, record_type) if record_type else None
        kept = kept_names(MODELS[record_type]) - set(CLUSTER_FIGURES) if record_type else frozenset()
        column = self.field.column if self.field else None
        self.columns = [column] if column and column in kept else []
        self._today: dict[int, Any] = {}

    @property
    def is_by_age(self) -> bool:
        """Whether the oldest come first, which is the order of ids."""
        return self.order == OLDEST

    def load(self, ids: Sequence[int]) -> None:
        """Load today's values where no past ones are stored, one transaction per chunk."""
        if self.field is None or self.columns:
            return
        for start in range(0, len(ids), CHUNK):
            with self.read() as session:
                rows = load_rows(
                    session,
                    self.trial.definition.record_type,
                    ids[start : start + CHUNK],
                    {self.field.name},
                    scope=self.trial.scope,
                    now=self.trial.until,
                    zone=self.trial.zone(),
                )
            self._today |= {record_id: row[self.field.name] for record_id, row in rows.items()}

    def first(
        self, count: int, ids: Iterator[int], own: Callable[[int], dict[str, FieldValue]], at: datetime
    ) -> Iterator[int]:
        """The first `count` of these records, in order. Random order is the same in each replay."""
        if self.field is None:
            drawn = Random(f"{at}")  # noqa: S311 - a draw, no secret
            keys: Callable[[int], float] = (
                (lambda id: -id) if self.order == NEWEST else lambda _id: drawn.random()
            )
            return iter(nsmallest(count, ids, key=keys))
        values = {record_id: self._value(record_id, own) for record_id in ids}
        known = [record_id for record_id, value in values.items() if value is not None]
        known.sort(key=lambda record_id: values[record_id], reverse=self.order.startswith("-"))
        return iter([*known, *(record_id for record_id, value in values.items() if value is None)][:count])

    def _value(self, record_id: int, own: Callable[[int], dict[str, FieldValue]]) -> Any:
        return own(record_id).get(self.columns[0]) if self.columns else self._today.get(record_id)
