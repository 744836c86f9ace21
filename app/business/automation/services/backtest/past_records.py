"""The records in a rule's scope over time: their values at each moment, from event snapshots.

Statuses are exact, because each change has an event with from and to. Other own values are those of the latest event
until the record's last change, and today's from then on. Where no snapshot is stored (older events), today's values are
used; such records are counted (`assumed`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.business.automation.services.backtest.past_facts import Values
from app.business.automation.services.backtest.trial import OnProgress, Trial
from app.business.automation.services.catalogue.field_types import Frame
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.transactions import Transaction
from app.business.events import Event, EventBatch, EventType
from app.business.planner.services.record_snapshot import CLUSTER_FIGURES, restored

CHUNK = 5_000

PastEvent = tuple[datetime, Values | None, str | None, str | None]
"""An event of a record: time, snapshot, and for status changes from and to."""
Change = tuple[datetime, int, Values]


class RecordTimeline:
    """`state` holds the values at the moment that `advance` has reached; `site_of` the sites of the records."""

    def __init__(
        self, trial: Trial, read: Transaction, columns: Sequence[str], on_progress: OnProgress
    ) -> None:
        self.columns = [*columns, *(["status"] if "status" not in columns else [])]
        self.status_at = self.columns.index("status")
        self.model = MODELS[trial.definition.record_type or ""]
        self.trial, self.read, self.on_progress = trial, read, on_progress
        self.state: dict[int, Values] = {}
        self.site_of: dict[int, int] = {}
        self.assumed: set[int] = set()
        self._changes = sorted(self._all_changes(), key=lambda change: change[0])
        self._next = 0

    def advance(self, to: datetime) -> set[int]:
        """Apply all changes before `to`; returns the ids of changed records."""
        changed: set[int] = set()
        changes = self._changes
        while self._next < len(changes) and changes[self._next][0] < to:
            _, record_id, values = changes[self._next]
            self.state[record_id] = values
            changed.add(record_id)
            self._next += 1
        return changed

    def _all_changes(self) -> Iterator[Change]:
        histories = self._histories()
        for record_id, created_at, updated_at, today in self._today():
            yield from self._changes_of(
                record_id, created_at, updated_at, today, histories.get(record_id, [])
            )

    def _changes_of(
        self,
        record_id: int,
        created_at: datetime,
        updated_at: datetime,
        today: Values,
        past_events: list[PastEvent],
    ) -> Iterator[Change]:
        came_from = next((before for _, _, before, _ in past_events if before), None)
        values = today if came_from is None else self._with_status(today, came_from)
        yield created_at, record_id, values
        known = bool(past_events) and past_events[0][1] is not None and past_events[0][0] <= created_at
        for at, kept, _, to in past_events:
            if kept is not None:
                values = kept
            elif to:
                values = self._with_status(values, to)
            known = known and kept is not None
            yield max(at, created_at), record_id, values
        last_at = past_events[-1][0] if past_events else created_at
        if not known and updated_at > created_at:
            self.assumed.add(record_id)
        if updated_at > last_at:
            yield updated_at, record_id, today

    def _with_status(self, values: Values, status: str) -> Values:
        return tuple(status if place == self.status_at else value for place, value in enumerate(values))

    def _today(self) -> Iterator[tuple[int, datetime, datetime, Values]]:
        model, definition = self.model, self.trial.definition
        columns = [self._expression(name) for name in self.columns]
        scope = in_scope(model, self.trial.account_id, definition.site, definition.sector)
        for row in self._pages(
            lambda last: (
                select(model.id, model.site_id, model.created_at, model.updated_at, *columns)
                .where(scope, model.id > last)
                .order_by(model.id)
            )
        ):
            record_id, self.site_of[row[0]], created_at, updated_at, *values = row
            yield record_id, created_at, updated_at, tuple(values)

    def _expression(self, name: str) -> Any:
        if name not in CLUSTER_FIGURES:
            return getattr(self.model, name)
        frame = Frame(self.trial.scope, self.trial.until, self.trial.account_zone)
        return fields_of("cluster")[name].of(self.model, frame)

    def _histories(self) -> dict[int, list[PastEvent]]:
        found: dict[int, list[PastEvent]] = defaultdict(list)
        mine = (
            Event.account_id == self.trial.account_id,
            Event.record_type == self.trial.definition.record_type,
        )
        columns = (
            Event.id,
            Event.record_id,
            Event.snapshot,
            Event.data,
            EventBatch.created_at,
            EventBatch.type,
        )
        for _, record_id, snapshot, data, at, type in self._pages(
            lambda last: (
                select(*columns)
                .join(EventBatch, EventBatch.id == Event.batch_id)
                .where(*mine, Event.id > last)
                .order_by(Event.id)
            )
        ):
            kept = None if snapshot is None else tuple(restored(self.model, snapshot, at, self.columns))
            moved = (data or {}) if type == EventType.STATUS_CHANGED else {}
            found[record_id].append((at, kept, moved.get("from"), moved.get("to")))
        return found

    def _pages(self, query: Callable[[int], Any]) -> Iterator[Any]:
        """Rows with increasing first column, one transaction per page, so that no lock is held for long."""
        last = 0
        while True:
            with self.read() as session:
                rows = session.execute(query(last).limit(CHUNK)).all()
            self.on_progress(0)
            yield from rows
            if len(rows) < CHUNK:
                return
            last = rows[-1][0]
