"""Planned times ahead of all rules with a schedule, with what a run of each has cost lately.

Runs whose rows are written already come from their rows, which hold what was really planned; later times from the
schedules.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, tee
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.calendars.applied_calendars import closed_rules
from app.business.automation.services.calendars.closed_times import ClosedRule
from app.business.automation.services.catalogue.actions.registry import is_paid, stored_actions
from app.business.automation.services.forecast.spend_history import used_by_rule
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.schedules.calendar import Occurrence, Schedule, occurrences
from app.business.automation.services.triggering.activations import present_zones, site_schedules
from app.business.errors import Invalid
from app.business.outlets.services.ai_connections import is_connected
from app.business.periods import last_days
from app.business.time_zones import time_in

PAST_DAYS = 28
TINY = timedelta(microseconds=1)
BROKEN = "fails: the rule needs repair"
ONE_DAY = timedelta(days=1)


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


def next_times(
    session: Session, scope: Scope, now: datetime, until: datetime, limit: int
) -> list[PlannedTime]:
    """The first `limit` times in (now, until] at which something runs. Reads no more than so many runs and rules: a
    rule whose next time comes after theirs has none among the first."""
    rows = _rows(session, scope, now, until, limit)
    rules = _scheduled(session, scope, until, limit)
    walks = _walks(session, scope, rules, now, until)
    merged = heapq.merge(rows, *walks, key=_in_order)
    return list(islice((time for time in merged if time.runs), limit))


def planned_times(session: Session, scope: Scope, since: datetime, until: datetime) -> Iterator[PlannedTime]:
    """All times in (since, until] that are not due yet, in order; those that closed days leave out as well."""
    rows = _rows(session, scope, since, until, None)
    rules = _scheduled(session, scope, until, None)
    return _merged([iter(rows), *_walks(session, scope, rules, since, until)])


def _merged(walks: Sequence[Iterator[PlannedTime]]) -> Iterator[PlannedTime]:
    """The times of all walks in order, read by a day at a time: sorting those is far cheaper than comparing the next
    of each walk at each time."""
    heads = [next(walk, None) for walk in walks]
    while begin := min((head.at for head in heads if head), default=None):
        times = []
        for number, walk in enumerate(walks):
            time = heads[number]
            while time and time.at < begin + ONE_DAY:
                times.append(time)
                time = next(walk, None)
            heads[number] = time
        yield from sorted(times, key=_in_order)


def run_prices(
    session: Session, account: Account, rule_ids: Iterable[int], now: datetime
) -> dict[int, RunPrice]:
    """The price of a run of each of these rules; free ones are left out, and those that can only fail."""
    ids = sorted(set(rule_ids))
    if not ids:
        return {}
    query = select(AutomationRule).where(
        AutomationRule.account_id == account.id, AutomationRule.id.in_(ids), AutomationRule.mode == "live"
    )
    paid = [rule for rule in session.scalars(query) if is_paid(stored_actions(rule.actions))]
    rules = [rule for rule in paid if not known_rule(rule).errors]
    used = _used(session, account, now) if rules else {}
    connected = bool(rules) and is_connected(session, account.id)
    return {rule.id: _price(rule, *used.get(rule.id, (0, 0)), connected) for rule in rules}


def _used(session: Session, account: Account, now: datetime) -> Mapping[int, tuple[int, int]]:
    return used_by_rule(session, account.id, last_days(PAST_DAYS, account.timezone, now), account.timezone)


def _price(rule: AutomationRule, used: int, runs: int, connected: bool) -> RunPrice:
    if runs > 0 and used > 0:
        return RunPrice(round(used / runs), True)
    return RunPrice(most_per_run(read_definition(rule), connected=connected), False)


def _rows(
    session: Session, scope: Scope, since: datetime, until: datetime, limit: int | None
) -> list[PlannedTime]:
    run = ScheduledTask
    columns = (run.begins_at, run.automation_rule_id, run.site_id, run.rule_name, run.id)
    said = (run.reason, run.error_message, run.scheduled_at, run.moved_to_at)
    seen = (scope.sees(run), run.status == Status.PENDING)
    query = (
        select(*columns, *said)
        .where(*seen, run.scheduled_at > since, run.scheduled_at <= until, run.moved_to_at.is_(None))
        .order_by(run.scheduled_at, run.automation_rule_id)
        .limit(limit)
    )
    moved = (
        select(*columns, *said)
        .where(*seen, run.moved_to_at > since, run.moved_to_at <= until)
        .order_by(run.moved_to_at, run.automation_rule_id)
        .limit(limit)
    )
    rows = [*session.execute(query), *session.execute(moved)]
    zone = session.get_one(Account, scope.account_id).timezone if rows else ""
    broken = _broken(session, {row.automation_rule_id for row in rows if row.reason != Reason.CLOSED_DAY})
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


def _broken(session: Session, rule_ids: Collection[int]) -> set[int]:
    """Those of the rules that need repair."""
    if not rule_ids:
        return set()
    rules = session.scalars(select(AutomationRule).where(AutomationRule.id.in_(rule_ids)))
    return {rule.id for rule in rules if known_rule(rule).errors}


def _moved_from(planned_at: datetime, zone: str) -> str:
    return f"moved from {time_in(planned_at, zone)}, a closed day"


def _scheduled(
    session: Session, scope: Scope, until: datetime, limit: int | None
) -> Sequence[AutomationRule]:
    """Rules of the account with times up to `until` that have no row yet, those with the earliest first."""
    query = select(AutomationRule).where(
        AutomationRule.account_id == scope.account_id, AutomationRule.unplanned_from <= until
    )
    return session.scalars(query.order_by(AutomationRule.unplanned_from).limit(limit)).all()


def _walks(
    session: Session, scope: Scope, rules: Sequence[AutomationRule], since: datetime, until: datetime
) -> Iterator[Iterator[PlannedTime]]:
    """The times of each rule, and of each of its sites where it is split by them."""
    closed = closed_rules(session, rules)
    walked: dict[tuple[Schedule, datetime], Iterator[Occurrence]] = {}
    zones = present_zones(session, [rule.id for rule in rules if rule.split_by == "site"])
    for rule in rules:
        try:
            schedules = site_schedules(read_definition(rule), zones.get(rule.id, {}))
        except Invalid:
            continue
        is_broken = bool(known_rule(rule).errors)
        planned_since = rule.unplanned_from - TINY if rule.unplanned_from else since
        for split_site, schedule in schedules.items():
            site_id = split_site or rule.site_id
            if not scope.holds(site_id):
                continue
            times = closed.of(rule, split_site)
            # A time before `since` may have been moved to one after it.
            first = planned_since if times.may_move else max(since, planned_since)
            # Rules with equal schedules share one walk, as far as it is asked for.
            found = walked.get((schedule, first)) or occurrences(schedule, first, until)
            walked[schedule, first], own = tee(found)
            walk = _walk(rule, site_id, schedule, times, own)
            if is_broken:
                walk = (time._replace(note=BROKEN) if time.runs else time for time in walk)
            yield _by_start(walk, since, until) if times.may_move else walk


def _walk(
    rule: AutomationRule,
    site_id: int | None,
    schedule: Schedule,
    times: ClosedRule,
    found: Iterable[Occurrence],
) -> Iterator[PlannedTime]:
    if times.obeyed is None:
        rule_id, name = rule.id, rule.name
        for time in found:
            yield PlannedTime(time.utc, rule_id, site_id, name, time.note)
        return
    for time in found:
        settled = times.settle(schedule, time.utc)
        if settled.start_at is None:
            note = f"skipped: {settled.why}"
            yield PlannedTime(time.utc, rule.id, site_id, rule.name, note, runs=False)
        else:
            note = _moved_from(time.utc, schedule.timezone) if settled.is_moved else time.note
            yield PlannedTime(settled.start_at, rule.id, site_id, rule.name, note)


def _by_start(walk: Iterable[PlannedTime], since: datetime, until: datetime) -> Iterator[PlannedTime]:
    """In the order in which they start: a moved time comes after others that were planned later."""
    return iter(sorted((time for time in walk if since < time.at <= until), key=_in_order))
