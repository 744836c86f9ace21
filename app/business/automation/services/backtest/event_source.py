"""The stored events of a period as runs of an event rule: batch by batch, as `dispatch` does."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Reason
from app.business.automation.services.backtest.eligibility import own_values, past_eligibility
from app.business.automation.services.backtest.past_facts import PastConditions, handled_before
from app.business.automation.services.backtest.past_records import RecordTimeline
from app.business.automation.services.backtest.replay import Opened, ReplayMoment
from app.business.automation.services.backtest.trial import OnProgress, Trial
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.catalogue.triggers import RunFinishedOptions, statuses_to
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.incoming_message import message_facts
from app.business.automation.services.runs.loop_guard import MOST_DEPTH
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering.event_matching import (
    UNSPLIT,
    ended_in_scope,
    matches_trigger,
    parts,
)
from app.business.events import Event, EventBatch, EventType
from app.business.planner.services.record_snapshot import restored

BATCHES_AT_ONCE = 50
EVENTS_AT_ONCE = 5_000


class PastBatch(NamedTuple):
    """Columns of a batch. at: when it was dispatched, or would have been."""

    id: int
    type: str
    chain: list[int]
    depth: int
    created_at: datetime
    at: datetime


class PastRecordEvent(NamedTuple):
    """Columns of an event."""

    id: int
    batch_id: int
    record_type: str
    record_id: int
    site_id: int | None
    sector_id: int | None
    data: JsonObject | None
    snapshot: JsonObject | None


Rows = Sequence[PastRecordEvent]


class EventSource:
    """One replay moment per dispatch time.

    seen: events read · assumed: records evaluated with today's values, because no past ones are stored · gone: deleted
    records with too few stored values.
    """

    def __init__(self, trial: Trial, read: Transaction, on_progress: OnProgress) -> None:
        self.trial, self.read, self.on_progress = trial, read, on_progress
        self.definition = trial.definition
        self.conditions, (_, self.eligibility) = PastConditions(trial, read), past_eligibility(trial, read)
        extra = [name for name in self.eligibility.columns if name not in self.conditions.columns]
        self.columns = [*self.conditions.columns, *extra]
        self.wanted = statuses_to(self.definition.trigger_options)
        self.assumed: set[int] = set()
        self.handled = handled_before(trial, read) if self.conditions.handled else {}
        self.gone = 0
        self._finished: dict[int, set[int]] = {}
        self._ended: dict[int, int] = {}
        self._messages: dict[int, dict[str, FieldValue]] = {}
        self._timeline: RecordTimeline | None = None

    def total(self) -> int:
        """The number of events in the period."""
        with self.read() as session:
            batches = _batches(self.trial).with_only_columns(EventBatch.id).order_by(None)
            return session.scalar(select(func.count()).where(Event.batch_id.in_(batches))) or 0

    def moments(self) -> Iterator[ReplayMoment]:
        """The batches in order of dispatch; those of the same moment together."""
        with self.read() as session:
            batches = [PastBatch(*row) for row in session.execute(_batches(self.trial))]
        for start in range(0, len(batches), BATCHES_AT_ONCE):
            some = batches[start : start + BATCHES_AT_ONCE]
            events = self._events([batch.id for batch in some])
            for at, together in groupby(some, key=lambda batch: batch.at):
                yield self._moment_of(at, [(batch, events.get(batch.id, [])) for batch in together])

    def choose(self, opened: Opened, at: datetime) -> list[int] | None:
        """Immediately: the matching records, except for finished ones. After a wait: those that still match."""
        if opened.records is None:
            account = self.conditions.account(opened.site_id, self._ended.get(opened.batch_id or 0))
            if message := self._messages.get(opened.batch_id or 0):
                account = account.with_values(message)
            return [] if self.conditions.moment(at, opened.site_id).holds(None, account) else None
        if at == opened.at and not opened.waits_for:
            finished = self._finished.get(opened.batch_id or 0, set())
            return [record_id for record_id in opened.records if record_id not in finished] or None
        return self._still_matching(opened.records, at) or None

    def took(self, records: list[int], at: datetime) -> None:
        """Event runs may take records repeatedly; only conditions on `handled_at` need the time."""
        if self.conditions.handled:
            self.handled.update(dict.fromkeys(records, at))

    def _moment_of(self, at: datetime, together: list[tuple[PastBatch, Rows]]) -> ReplayMoment:
        moment = ReplayMoment(at)
        self._finished = {}
        for batch, events in together:
            if self.definition.record_type is None:
                self._open_without_records(moment, batch, events)
            else:
                self._open(moment, batch, events)
        return moment

    def _open_without_records(self, moment: ReplayMoment, batch: PastBatch, events: Rows) -> None:
        ended = next((event.data or {} for event in events), {})
        options, rule_id = self.definition.trigger_options, self.trial.rule_id
        place = self.definition.site, self.definition.sector
        if isinstance(options, RunFinishedOptions) and not (
            any(ended_in_scope(place, options, event) for event in events)
            and matches_trigger(ended, options, rule_id)
        ):
            return
        if batch.type == EventType.RUN_FINISHED:
            self._ended[batch.id] = events[0].record_id
        if self.conditions.of_message:
            values = message_facts(ended, moment.at, self.trial.zone())
            self._messages[batch.id] = {name: values.get(name) for name in self.conditions.of_message}
        moment.offered += 1
        moment.matched += 1
        splits = self.definition.split_by == "site"
        sites = dict.fromkeys(event.site_id or UNSPLIT for event in events) if splits else [UNSPLIT]
        for part, site_id in enumerate(sites, start=1):
            moment.opened.append(self._opened(moment.at, batch, None, part, site_id))

    def _open(self, moment: ReplayMoment, batch: PastBatch, events: Rows) -> None:
        offered = self._offered(events)
        matched = self._matching(batch, offered)
        moment.offered += len(offered)
        moment.matched += len(matched)
        if len(matched) < len(offered):
            moment.unmatched[batch.id] = len(offered) - len(matched)
        part = 0
        for site_id, of_site in self._by_site(matched, offered).items():
            for records in parts(self.definition.actions, self.definition.batching, of_site):
                part += 1
                moment.opened.append(self._opened(moment.at, batch, records, part, site_id))

    def _by_site(self, matched: list[int], offered: dict[int, PastRecordEvent]) -> dict[int, list[int]]:
        """The records in one group, or one group per site in the order of the events."""
        if self.definition.split_by != "site":
            return {UNSPLIT: matched}
        sites: dict[int, list[int]] = {event.site_id or UNSPLIT: [] for event in offered.values()}
        for record_id in matched:
            sites[offered[record_id].site_id or UNSPLIT].append(record_id)
        return sites

    def _offered(self, events: Rows) -> dict[int, PastRecordEvent]:
        """Record -> its last event of the batch, if in scope and with a status that matches."""
        place = self.definition
        return {
            event.record_id: event
            for event in events
            if event.record_type == place.record_type
            and place.site in (None, event.site_id)
            and place.sector in (None, event.sector_id)
            and (not self.wanted or (event.data or {}).get("to") in self.wanted)
        }

    def _matching(self, batch: PastBatch, offered: dict[int, PastRecordEvent]) -> list[int]:
        model = MODELS[self.definition.record_type or ""]
        today = self._today([key for key, event in offered.items() if event.snapshot is None], offered)
        holds, matched = self.conditions.moment(batch.at).holds, []
        finished = self._finished.setdefault(batch.id, set())
        for record_id in sorted(offered):
            event, facts = offered[record_id], today.get(record_id)
            values = None
            if event.snapshot is not None:
                values = restored(model, event.snapshot, batch.created_at, self.columns)
            if (facts is None and (values is None or self.conditions.needs_today)) or (
                event.site_id not in self.trial.sites
            ):
                self.gone += facts is None
                continue
            if not holds(values, facts, self.handled.get(record_id)):
                continue
            matched.append(record_id)
            own = own_values(self.columns, values) if values is not None else {}
            is_known = bool(own) or not self.eligibility.needs_values
            if is_known and not self.eligibility.holds(record_id, own, batch.at):
                finished.add(record_id)
        return matched

    def _today(self, without: list[int], offered: dict[int, PastRecordEvent]) -> dict[int, Facts]:
        """Today's facts of the records that need them."""
        self.assumed.update(without)
        wanted = list(offered) if self.conditions.needs_today else without
        return self.conditions.today(wanted) if wanted else {}

    def _still_matching(self, records: list[int], at: datetime) -> list[int]:
        if self._timeline is None:
            self._timeline = RecordTimeline(self.trial, self.read, self.columns, self.on_progress)
        timeline = self._timeline
        timeline.advance(at)
        today = self.conditions.today(records) if self.conditions.needs_today else {}
        moment, found = self.conditions.moment(at), []
        for record_id in records:
            values = timeline.state.get(record_id)
            if values is None or not moment.holds(values, today.get(record_id), self.handled.get(record_id)):
                continue
            if self.eligibility.holds(record_id, own_values(timeline.columns, values), at):
                found.append(record_id)
        return found

    def _opened(
        self, at: datetime, batch: PastBatch, records: list[int] | None, part: int, site_id: int = UNSPLIT
    ) -> Opened:
        is_loop = bool(batch.chain) and (self.trial.rule_id in batch.chain or batch.depth > MOST_DEPTH)
        return Opened(at, records, site_id, batch.id, part, Reason.LOOP if is_loop else None)

    def _events(self, batch_ids: list[int]) -> dict[int, list[PastRecordEvent]]:
        found: dict[int, list[PastRecordEvent]] = {}
        last = 0
        while True:
            with self.read() as session:
                rows = _page_of_events(session, batch_ids, last)
            for row in rows:
                found.setdefault(row.batch_id, []).append(row)
            self.on_progress(len(rows))
            if len(rows) < EVENTS_AT_ONCE:
                return found
            last = rows[-1].id


def _batches(trial: Trial) -> Select[int, str, list[int], int, datetime, datetime]:
    """Batches of the trigger's type that were, or would have been, dispatched in the period."""
    handed_out = func.coalesce(EventBatch.dispatched_at, EventBatch.closed_at)
    return (
        select(
            EventBatch.id,
            EventBatch.type,
            EventBatch.chain,
            EventBatch.depth,
            EventBatch.created_at,
            handed_out.label("at"),
        )
        .where(
            EventBatch.account_id == trial.account_id,
            EventBatch.type == trial.definition.trigger,
            EventBatch.closed_at.is_not(None),
            handed_out > trial.start,
            handed_out <= trial.until,
        )
        .order_by(handed_out, EventBatch.id)
    )


def _page_of_events(session: Session, batch_ids: list[int], last: int) -> Rows:
    columns = (
        Event.id,
        Event.batch_id,
        Event.record_type,
        Event.record_id,
        Event.site_id,
        Event.sector_id,
        Event.data,
        Event.snapshot,
    )
    query = select(*columns).where(Event.batch_id.in_(batch_ids), Event.id > last)
    rows = session.execute(query.order_by(Event.id).limit(EVENTS_AT_ONCE))
    return [PastRecordEvent(*row) for row in rows]
