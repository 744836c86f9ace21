"""The planned times of a period as runs of a scheduled rule, and the records it would have selected at each."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from app.business.automation.run_models import Reason
from app.business.automation.services.backtest.eligibility import own_values, past_eligibility
from app.business.automation.services.backtest.past_facts import CHUNK, PastConditions, handled_before
from app.business.automation.services.backtest.past_order import ReplayOrder
from app.business.automation.services.backtest.past_records import RecordTimeline
from app.business.automation.services.backtest.replay import Opened, ReplayMoment
from app.business.automation.services.backtest.trial import OnProgress, Trial
from app.business.automation.services.calendars.applied_calendars import RulePlace
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.rules.definition import usual_limit
from app.business.automation.services.schedules.calendar import Schedule, due_instants
from app.business.automation.services.transactions import Transaction
from app.business.automation.services.triggering.activations import site_schedules
from app.business.errors import Invalid

TrialTime = tuple[datetime, int, bool]
"""When, on which site of a split rule, and whether a closed day leaves it out."""
MOST_TIMES = 10_000
MOST_EVALUATIONS = 5_000_000
"""Limit of evaluations (records × planned times) of conditions that depend on the time."""


class TimeSource:
    """One replay moment per planned time.

    assumed: records evaluated with today's values, because no past ones are stored.
    """

    def __init__(self, trial: Trial, read: Transaction, on_progress: OnProgress) -> None:
        self.trial, self.read, self.on_progress = trial, read, on_progress
        self.definition, self.gone = trial.definition, 0
        self.conditions, (action, self.eligibility) = (
            PastConditions(trial, read),
            past_eligibility(trial, read),
        )
        self._left_over = action.left_over if action else None
        self.times = self._times()
        self.handled = handled_before(trial, read)
        self.limit = self.definition.record_limit or usual_limit(self.definition)
        self.order = ReplayOrder(trial, read)
        self._matching: set[int] = set()
        self._in_order: list[int] = []
        """Records that matched at some time and may be taken again, oldest first; not all of them match now."""
        self._evaluations = 0
        self._timeline: RecordTimeline | None = None
        self._today: dict[int, Facts] = {}
        self._tried: dict[int, datetime] = {}
        if self.definition.record_type is not None:
            self._load()

    @property
    def assumed(self) -> set[int]:
        """Records with some value read as of today."""
        return self._timeline.assumed if self._timeline else set()

    def total(self) -> int:
        """The number of planned times."""
        return len(self.times)

    def moments(self) -> Iterator[ReplayMoment]:
        """One moment for each planned time and site."""
        for at, site_id, is_closed in self.times:
            self.on_progress(1)
            refused = Reason.CLOSED_DAY if is_closed else None
            yield ReplayMoment(at, [Opened(at, None, site_id, refused=refused)], offered=1)

    def choose(self, opened: Opened, at: datetime) -> list[int] | None:
        """The first records that match and may be taken, at most as many as a run takes."""
        if self._timeline is None:
            return (
                []
                if self.conditions.moment(at, opened.site_id).holds(
                    None, self.conditions.account(opened.site_id)
                )
                else None
            )
        self._advance(self._timeline, at, opened.site_id)
        enough = max(self.limit, self.definition.record_minimum)
        free = self._free(self._timeline, at, opened.site_id)
        if not self.order.is_by_age:
            self._count_evaluations(len(self._in_order))
            free = self.order.first(enough, free, self._own, at)
        found = list(islice(free, enough))
        return found[: self.limit] if len(found) >= self.definition.record_minimum else None

    def took(self, records: list[int], at: datetime) -> None:
        """Record them as handled; most are not taken again."""
        self.handled.update(dict.fromkeys(records, at))
        for record_id in records:
            place = bisect_left(self._in_order, record_id)
            if self._is_done_with(record_id) and self._in_order[place : place + 1] == [record_id]:
                del self._in_order[place]

    def _times(self) -> list[TrialTime]:
        zones = {str(site_id): self._zone(site_id) for site_id in self._sites()}
        schedules = site_schedules(self.definition, zones)
        found = (self._due(schedule, site_id) for site_id, schedule in schedules.items())
        times = list(islice(merge(*found), MOST_TIMES + 1))
        if len(times) > MOST_TIMES:
            raise Invalid(
                {"days": [f"It has more than {MOST_TIMES:,} planned times in these days. Choose fewer days."]}
            )
        return times

    def _due(self, schedule: Schedule, site_id: int) -> Iterable[TrialTime]:
        """The times at which a run starts, or would without the closed day that leaves it out, in order."""
        trial, rule = self.trial, self.definition
        place = RulePlace(trial.account_id, rule.site, rule.on_closed_days)
        times = trial.closed.of(place, site_id)
        due = due_instants(schedule, times.planned_since(trial.start), trial.until)
        settled = (times.settle(schedule, at) for at in due)
        found = ((one.start_at or one.planned_at, site_id, one.start_at is None) for one in settled)
        within = (one for one in found if trial.start < one[0] <= trial.until)
        return sorted(within) if times.may_move else within

    def _sites(self) -> list[int]:
        return [site_id for site_id in self.trial.sites if self.definition.site in (None, site_id)]

    def _zone(self, site_id: int) -> str:
        return self.definition.named_zone or self.trial.sites[site_id]

    def _load(self) -> None:
        columns = dict.fromkeys([*self.conditions.columns, *self.eligibility.columns, *self.order.columns])
        self._timeline = RecordTimeline(self.trial, self.read, list(columns), self.on_progress)
        self.order.load(list(self._timeline.site_of))
        if self.conditions.needs_today:
            ids = list(self._timeline.site_of)
            for start in range(0, len(ids), CHUNK):
                self._today |= self.conditions.today(ids[start : start + CHUNK])
                self.on_progress(0)
        if self._left_over:
            self._load_tried(self._left_over.tried_at)

    def _advance(self, timeline: RecordTimeline, at: datetime, site_id: int) -> None:
        changed = timeline.advance(at)
        asked = changed if self.conditions.is_timeless else timeline.state.keys()
        self._count_evaluations(len(asked))
        moment = self.conditions.moment(at, site_id)
        for record_id in asked:
            facts = self._today.get(record_id)
            if not moment.holds(timeline.state[record_id], facts, self.handled.get(record_id)):
                self._matching.discard(record_id)
            elif record_id not in self._matching:
                self._matching.add(record_id)
                self._add(record_id)

    def _count_evaluations(self, count: int) -> None:
        self._evaluations += count
        if self._evaluations > MOST_EVALUATIONS:
            raise Invalid(
                {"days": ["There are too many records and planned times to go through. Choose fewer days."]}
            )

    def _own(self, record_id: int) -> dict[str, FieldValue]:
        """The record's own values now, by column."""
        timeline = self._timeline
        return own_values(timeline.columns, timeline.state[record_id]) if timeline else {}

    def _add(self, record_id: int) -> None:
        place = bisect_left(self._in_order, record_id)
        if self._in_order[place : place + 1] != [record_id] and not self._is_done_with(record_id):
            self._in_order.insert(place, record_id)

    def _free(self, timeline: RecordTimeline, at: datetime, site_id: int) -> Iterator[int]:
        for record_id in self._in_order:
            if record_id not in self._matching or (site_id and timeline.site_of[record_id] != site_id):
                continue
            if self._is_handled(record_id, at):
                continue
            if self.eligibility.takes_all or self.eligibility.holds(record_id, self._own(record_id), at):
                yield record_id

    def _is_done_with(self, record_id: int) -> bool:
        """Whether the rule never takes the record again."""
        handled_at = self.handled.get(record_id)
        once = handled_at is not None and self.definition.repeat == "once"
        return once and not self._was_left_over(record_id, handled_at)

    def _is_handled(self, record_id: int, at: datetime) -> bool:
        handled_at = self.handled.get(record_id)
        if handled_at is None or self.definition.repeat == "always":
            return False
        if self._left_over and self._was_left_over(record_id, handled_at):
            return handled_at >= at - self._left_over.again_after
        again_after = timedelta(days=self.definition.repeat_after_days or 0)
        return self.definition.repeat == "once" or handled_at > at - again_after

    def _was_left_over(self, record_id: int, handled_at: datetime | None) -> bool:
        """A keyword that clustering has tried since then and that is still new did not fit: it is free again in a week.

        One without such an attempt is assumed to have been placed.
        """
        tried_at = self._tried.get(record_id)
        return tried_at is not None and handled_at is not None and tried_at >= handled_at

    def _load_tried(self, column: InstrumentedAttribute[datetime | None]) -> None:
        model = column.class_
        with self.read() as session:
            tried = select(model.id, column).where(
                model.account_id == self.trial.account_id, column > self.trial.start
            )
            for record_id, tried_at in session.execute(tried):
                if tried_at is not None:
                    self._tried[record_id] = tried_at
