"""Matches a batch of events with rules: the batch is read once for all rules, each condition is evaluated once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.record_models import MODELS, in_scope
from app.business.automation.services.catalogue.triggers import (
    RunFinishedOptions,
    statuses_to,
    stored_options,
)
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.query import matching
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.rules.zone import rule_zone
from app.business.automation.services.runs.windows import batch_size
from app.business.base import RowValues
from app.business.events import Event, EventBatch
from app.business.planner.models import Site, SiteStatus
from app.business.row_sets import among, is_on_postgresql

UNSPLIT = 0
"""Site id of rules that are not split."""
CLOCK_SKEW = timedelta(minutes=2)
"""A rule created within this time after a batch was closed may still get it: clocks of machines differ."""


OfferKey = tuple[str | None, int | None, int | None, tuple[str, ...]]
"""What rules to which a batch offers the same records have in common."""


class SiteAndSector(Protocol):
    """Something on a site and in a sector."""

    @property
    def site_id(self) -> int | None: ...
    @property
    def sector_id(self) -> int | None: ...


class EventRow(NamedTuple):
    """Columns of an event."""

    record_type: str
    record_id: int
    site_id: int | None
    sector_id: int | None
    data: JsonObject | None


@dataclass(frozen=True)
class BatchEvents:
    """The events of one batch, as recorded."""

    batch: EventBatch
    rows: Sequence[EventRow]
    _offered: dict[OfferKey, dict[int, int | None]] = field(default_factory=dict)

    @cached_property
    def ended(self) -> JsonObject:
        """The data of the finished run, in a batch of that type."""
        return next((row.data or {} for row in self.rows), {})

    def offered(self, rule: AutomationRule) -> dict[int, int | None]:
        """The rule's records in the batch, in the order of their events: record -> site."""
        wanted = statuses_to(stored_options(rule.trigger, rule.trigger_options))
        key = (rule.record_type, rule.site_id, rule.sector_id, wanted)
        if key not in self._offered:
            self._offered[key] = {
                row.record_id: row.site_id
                for row in self.rows
                if row.record_type == rule.record_type
                and rule.site_id in (None, row.site_id)
                and rule.sector_id in (None, row.sector_id)
                and (not wanted or (row.data or {}).get("to") in wanted)
            }
        return self._offered[key]

    def has_something_for(self, rule: AutomationRule) -> bool:
        """Whether the batch has events for this rule, whose trigger it has."""
        options = stored_options(rule.trigger, rule.trigger_options)
        if isinstance(options, RunFinishedOptions):
            place = rule.site_id, rule.sector_id
            in_scope = any(ended_in_scope(place, options, row) for row in self.rows)
            if not (in_scope and matches_trigger(self.ended, options, rule.id)):
                return False
        return rule.record_type is None or bool(self.offered(rule))


@dataclass(frozen=True)
class Match:
    """groups: for each run or series of runs its site (0 where not split) and its records (None: without records) ·
    unmatched: records that do not meet the conditions."""

    groups: list[tuple[int, list[int] | None]]
    unmatched: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of matching records."""
        return sum(len(records or ()) for _, records in self.groups)


LISTENERS = (
    select(AutomationRule.id, AutomationRule.version)
    .where(
        AutomationRule.account_id == bindparam("account"),
        AutomationRule.trigger == bindparam("event"),
        AutomationRule.is_active,
        AutomationRule.archived_at.is_(None),
        AutomationRule.created_at <= bindparam("latest"),
    )
    .order_by(AutomationRule.priority, AutomationRule.id)
)
"""Rules with the trigger of a batch, the most urgent first. Few columns: a rule whose row cannot be read must not
affect the others."""
_EVENTS = (
    select(Event.batch_id, Event.record_type, Event.record_id, Event.site_id, Event.sector_id, Event.data)
    .where(Event.batch_id.in_(bindparam("batches", expanding=True)))
    .order_by(Event.id)
)


def listened_to(batch: EventBatch) -> RowValues:
    """The values of `LISTENERS` for this batch."""
    return {"account": batch.account_id, "event": batch.type, "latest": latest_listener(batch)}


def latest_listener(batch: EventBatch) -> datetime:
    """Rules created after this get nothing of the batch."""
    return (batch.closed_at or batch.created_at) + CLOCK_SKEW


def read_events(session: Session, batch: EventBatch) -> BatchEvents:
    """All events of the batch in one statement."""
    (events,) = read_all_events(session, [batch])
    return events


def read_all_events(session: Session, batches: Sequence[EventBatch]) -> list[BatchEvents]:
    """All events of the batches in one statement, by batch."""
    rows: dict[int, list[EventRow]] = {batch.id: [] for batch in batches}
    for row in session.execute(_EVENTS, {"batches": list(rows)}):
        rows[row.batch_id].append(EventRow(*row[1:]))
    return [BatchEvents(batch, rows[batch.id]) for batch in batches]


def ended_in_scope(
    place: tuple[int | None, int | None], options: RunFinishedOptions, run: SiteAndSector
) -> bool:
    """Whether a finished run (or its event) is in the site and sector of a rule that follows runs.

    A run without site is in scope where the options name its rule.
    """
    is_named = options.rule_id is not None
    return all(
        mine is None or mine == its or (its is None and is_named)
        for mine, its in zip(place, (run.site_id, run.sector_id), strict=True)
    )


def matches_trigger(ended: Stored, options: RunFinishedOptions, rule_id: int | None) -> bool:
    """Whether a finished run matches the options of a rule; never its own run. ended: the data of its event."""
    of_rule, status = ended.get("rule_id"), ended.get("status")
    if of_rule == rule_id:
        return False
    return options.ask_for(
        of_rule if isinstance(of_rule, int) else None, status if isinstance(status, str) else None
    )


def match(session: Session, events: BatchEvents, rule: AutomationRule, now: datetime) -> Match | None:
    """The match of the batch and the rule; None without events for it. Raises where the rule is not valid."""
    if not events.has_something_for(rule):
        return None
    if rule.record_type is None:
        return Match([(site_id, None) for site_id in _sites_of(session, events, rule)])
    offered = events.offered(rule)
    # Whoever asks the session for it below finds it there, as long as it is kept here.
    account = session.get_one(Account, rule.account_id)
    scope = RuleScope(account.id, rule.site_id, rule.sector_id, account_zone=account.timezone)
    if rule.split_by != "site":
        matched = _matching(session, events.batch, rule, offered, scope, now, rule_zone(session, rule))
        groups = [(UNSPLIT, matched)]
    else:
        sites = dict.fromkeys(site_id for site_id in offered.values() if site_id is not None)
        groups = [
            (site_id, _matching_on(session, events.batch, rule, offered, scope, now, site_id))
            for site_id in sites
        ]
    taken = {record_id for _, records in groups for record_id in records}
    unmatched = [record_id for record_id in offered if record_id not in taken]
    return Match([(site_id, records) for site_id, records in groups if records], unmatched)


def _sites_of(session: Session, events: BatchEvents, rule: AutomationRule) -> list[int]:
    """For rules without records: the sites of the events, or all sites of the rule where the events have none."""
    if rule.split_by != "site":
        return [UNSPLIT]
    named = list(dict.fromkeys(row.site_id for row in events.rows if row.site_id is not None))
    if named:
        return named
    active = select(Site.id).where(Site.account_id == rule.account_id, Site.status == SiteStatus.ACTIVE)
    if rule.site_id is not None:
        active = active.where(Site.id == rule.site_id)
    return list(session.scalars(active.order_by(Site.id))) or [UNSPLIT]


def parts(actions: Sequence[Action], batching: str, records: list[int]) -> Iterator[list[int]]:
    """The records of one batch (and site, where the rule is split), divided into runs."""
    size = batch_size(actions, batching)
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _matching_on(
    session: Session,
    batch: EventBatch,
    rule: AutomationRule,
    offered: dict[int, int | None],
    scope: RuleScope,
    now: datetime,
    site_id: int,
) -> list[int]:
    """The matching records of one site, evaluated in its time zone."""
    here = {record_id for record_id, of_site in offered.items() if of_site == site_id}
    zone = session.get_one(Site, site_id).timezone or session.get_one(Account, rule.account_id).timezone
    return _matching(session, batch, rule, here, scope, now, ZoneInfo(zone))


def _matching(
    session: Session,
    batch: EventBatch,
    rule: AutomationRule,
    offered: Collection[int],
    scope: RuleScope,
    now: datetime,
    zone: ZoneInfo,
) -> list[int]:
    record_type = rule.record_type or ""
    model = MODELS[record_type]
    clause = matching(
        parse_conditions(rule.conditions, record_type=record_type),
        record_type=record_type,
        scope=scope,
        now=now,
        zone=zone,
        rule_id=rule.id,
    )
    in_batch = _in_batch(session, batch, record_type, offered)
    here = in_scope(model, rule.account_id, rule.site_id, rule.sector_id)
    ids = session.scalars(select(model.id).where(in_batch, here, clause).order_by(model.id))
    return [record_id for record_id in ids if record_id in offered]


def _in_batch(
    session: Session, batch: EventBatch, record_type: str, offered: Collection[int]
) -> ColumnElement[bool]:
    """What finds the batch's records. PostgreSQL is given them: its statistics know nothing of a batch as new as this
    one, so it would expect one event, and compare each record with each of thousands."""
    model = MODELS[record_type]
    if is_on_postgresql(session):
        return among(session, model.id, list(offered))
    return model.id.in_(
        select(Event.record_id).where(Event.batch_id == batch.id, Event.record_type == record_type)
    )
