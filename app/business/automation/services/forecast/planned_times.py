"""Planned times ahead of all rules with a schedule, with what a run of each has cost lately.

Runs whose rows are written already come from their rows, which hold what was really planned; later times from the
schedules.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, tee
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import CompoundSelect, bindparam, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.calendars.applied_calendars import ClosedRules, RulePlace, closed_rules
from app.business.automation.services.calendars.closed_times import ClosedRule
from app.business.automation.services.forecast.spend_history import used_by_rule
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.known_rules import LISTED, ListedRule, RulesRead
from app.business.automation.services.schedules.calendar import Occurrence, Schedule, occurrences
from app.business.automation.services.triggering.activations import present_zones, site_schedules
from app.business.base import UtcDateTime
from app.business.errors import Invalid
from app.business.kept_queries import kept_queries
from app.business.outlets.services.ai_connections import is_connected
from app.business.periods import last_days
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.time_zones import time_in
from app.business.words_as_text import words_as_text

PAST_DAYS = 28
TINY = timedelta(microseconds=1)
BROKEN = "fails: the rule needs repair"
SINCE, UNTIL = (bindparam(name, type_=UtcDateTime()) for name in ("since", "until"))
KEPT = 64
"""Scopes for which a process keeps the query."""
PendingRuns = CompoundSelect[datetime, int, int | None, str, int, str | None, str, datetime, datetime | None]


class PlannedTime(NamedTuple):
    """A planned time, at the moment when its run starts: where it was moved, a later one.

    note: what a change of the clocks or a closed day does to it, or that its rule needs repair · runs: False where a
    closed day leaves it out · run_id: of its row, once there is one.
    """

    at: datetime
    rule_id: int
    site_id: int | None
    rule_name: str
    note: str = ""
    run_id: int | None = None
    runs: bool = True


_in_order = attrgetter("at", "rule_id")


@dataclass(frozen=True, slots=True)
class RunPrice:
    """Credits of a run: the mean of the runs that lately used some, or the most where there were none."""

    credits: int
    is_measured: bool


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """The times of a rule that have no rows yet; of one of its sites, where it is split by them.

    is_broken: its runs can only fail · since: all of them are planned later than that.
    """

    rule_id: int
    rule_name: str
    site_id: int | None
    schedule: Schedule
    closed: ClosedRule
    is_broken: bool
    since: datetime

    def times(self, found: Iterable[Occurrence], since: datetime, until: datetime) -> Iterator[PlannedTime]:
        """`found`, its occurrences until then, as times in (since, until] in the order in which they start."""
        times = self._settled(found) if self.closed.obeyed else self._open(found)
        if not self.closed.may_move:
            return times
        # A moved time comes after others that were planned later.
        return iter(sorted((time for time in times if since < time.at <= until), key=_in_order))

    def _open(self, found: Iterable[Occurrence]) -> Iterator[PlannedTime]:
        for time in found:
            note = BROKEN if self.is_broken else time.note
            yield PlannedTime(time.utc, self.rule_id, self.site_id, self.rule_name, note)

    def _settled(self, found: Iterable[Occurrence]) -> Iterator[PlannedTime]:
        for time in found:
            settled = self.closed.settle(self.schedule, time.utc)
            at, note = settled.start_at or time.utc, time.note
            if settled.start_at is None:
                note = f"skipped: {settled.why}"
            elif self.is_broken:
                note = BROKEN
            elif settled.is_moved:
                note = _moved_from(time.utc, self.schedule.timezone)
            runs = settled.start_at is not None
            yield PlannedTime(at, self.rule_id, self.site_id, self.rule_name, note, runs=runs)


def next_times(
    rules: RulesRead, scope: Scope, now: datetime, until: datetime, limit: int
) -> list[PlannedTime]:
    """The first `limit` times in (now, until] at which something runs. Reads no more than so many runs and rules: a
    rule whose next time comes after theirs has none among the first."""
    rows = planned_rows(rules, scope, now, until, limit)
    walks = _walks(planned_lines(rules, scope, now, until, limit), now, until)
    merged = heapq.merge(rows, *walks, key=_in_order)
    return list(islice((time for time in merged if time.runs), limit))


def _walks(lines: Iterable[PlannedLine], since: datetime, until: datetime) -> Iterator[Iterator[PlannedTime]]:
    """The times of each line in (since, until]; those with equal schedules share one walk, as far as it is asked
    for."""
    walked: dict[tuple[Schedule, datetime], Iterator[Occurrence]] = {}
    for line in lines:
        key = (line.schedule, line.since)
        walked[key], own = tee(walked.get(key) or occurrences(line.schedule, line.since, until))
        yield line.times(own, since, until)


def run_prices(
    rules: RulesRead, account: Account, rule_ids: Iterable[int], now: datetime
) -> dict[int, RunPrice]:
    """The price of a run of each of these rules; free ones are left out, and those that can only fail."""
    paid = [
        rule
        for rule in rules.of(rule_ids)
        if rule.known.is_paid and rule.definition.mode == "live" and not rule.known.errors
    ]
    if not paid:
        return {}
    used, connected = _used(rules.session, account, now), is_connected(rules.session, account.id)
    return {rule.id: _price(rule, *used.get(rule.id, (0, 0)), connected) for rule in paid}


def _used(session: Session, account: Account, now: datetime) -> Mapping[int, tuple[int, int]]:
    return used_by_rule(session, account.id, last_days(PAST_DAYS, account.timezone, now), account.timezone)


def _price(rule: ListedRule, used: int, runs: int, connected: bool) -> RunPrice:
    if runs > 0 and used > 0:
        return RunPrice(round(used / runs), True)
    return RunPrice(most_per_run(rule.definition, connected=connected), False)


def planned_rows(
    rules: RulesRead, scope: Scope, since: datetime, until: datetime, limit: int | None = None
) -> list[PlannedTime]:
    """Of runs with rows, the times in (since, until] in order; those that closed days leave out as well."""
    rows = plain_rows(rules.session, _pending(scope, limit), {"since": since, "until": until})
    zone = rules.session.get_one(Account, scope.account_id).timezone if rows else ""
    told = {rule_id for _, rule_id, _, _, _, reason, *_ in rows if reason != Reason.CLOSED_DAY}
    broken = {rule.id for rule in rules.of(told) if rule.known.errors}
    times = [
        PlannedTime(at, rule_id, site_id, name, f"skipped: {said}", run_id, runs=False)
        if reason == Reason.CLOSED_DAY
        else PlannedTime(at, rule_id, site_id, name, BROKEN, run_id)
        if rule_id in broken
        else PlannedTime(
            at, rule_id, site_id, name, _moved_from(planned_at, zone) if moved_to_at else "", run_id
        )
        for at, rule_id, site_id, name, run_id, reason, said, planned_at, moved_to_at in rows
    ]
    return sorted(times, key=_in_order)


_OF_ACCOUNT = select(*LISTED).where(AutomationRule.account_id == bindparam("account_id"))


@kept_queries(KEPT)
def _pending(scope: Scope, limit: int | None) -> PendingRuns:
    """Its parameters are since and until. Those that a closed day moved stand elsewhere in the index."""
    run = ScheduledTask
    columns = (run.begins_at, run.automation_rule_id, run.site_id, run.rule_name, run.id)
    said = (run.reason, run.error_message, run.scheduled_at, run.moved_to_at)
    query = select(*columns, *said).where(scope.sees(run), run.status == Status.PENDING)
    planned = query.where(run.scheduled_at > SINCE, run.scheduled_at <= UNTIL, run.moved_to_at.is_(None))
    moved = query.where(run.moved_to_at > SINCE, run.moved_to_at <= UNTIL)
    parts = (
        part.order_by(at, run.automation_rule_id).limit(limit).subquery()
        for part, at in ((planned, run.scheduled_at), (moved, run.moved_to_at))
    )
    return words_as_text(union_all(*map(select, parts)))


def _moved_from(planned_at: datetime, zone: str) -> str:
    return f"moved from {time_in(planned_at, zone)}, a closed day"


def planned_lines(
    rules: RulesRead, scope: Scope, since: datetime, until: datetime, limit: int | None = None
) -> list[PlannedLine]:
    """What is planned in (since, until] by the schedules: of all rules, or of those that come first."""
    scheduled = rules.listed(_scheduled(limit), {"account_id": scope.account_id, "until": until})
    places = {rule.id: _place_of(rule, scope.account_id) for rule in scheduled}
    closed = closed_rules(rules.session, places.values())
    split = [rule.id for rule in scheduled if rule.definition.split_by == "site"]
    zones = present_zones(rules.session, split)
    return [
        line
        for rule in scheduled
        for line in _lines(rule, places[rule.id], scope, closed, zones.get(rule.id, {}), since)
    ]


@kept_queries(8)
def _scheduled(limit: int | None) -> AnyColumns:
    query = _OF_ACCOUNT.where(AutomationRule.unplanned_from <= UNTIL)
    return words_as_text(query.order_by(AutomationRule.unplanned_from).limit(limit))


def _place_of(rule: ListedRule, account_id: int) -> RulePlace:
    return RulePlace(account_id, rule.definition.site, rule.definition.on_closed_days)


def _lines(
    rule: ListedRule,
    place: RulePlace,
    scope: Scope,
    closed: ClosedRules,
    zones: Mapping[str, str],
    since: datetime,
) -> Iterator[PlannedLine]:
    """One, or one for each site. Without a readable schedule there is none."""
    try:
        schedules = site_schedules(rule.definition, zones)
    except Invalid:
        return
    is_broken = bool(rule.known.errors)
    planned_since = rule.unplanned_from - TINY if rule.unplanned_from else since
    for split_site, schedule in schedules.items():
        site_id = split_site or place.site_id
        if scope.holds(site_id):
            times = closed.of(place, split_site)
            # A time before `since` may have been moved to one after it.
            first = planned_since if times.may_move else max(since, planned_since)
            yield PlannedLine(rule.id, rule.name, site_id, schedule, times, is_broken, first)
