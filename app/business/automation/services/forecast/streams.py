"""Converts each paid rule to streams for the forecast: past use by day, when it was on and due, and when it will be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.forecast import spend_history as history
from app.business.automation.services.forecast.estimate import estimate_use
from app.business.automation.services.forecast.pace import ENOUGH, Stream
from app.business.automation.services.forecast.spend_history import Days, Source, SourceSpending, Version
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.repair import faults_of
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.rules.zone import rule_zone
from app.business.automation.services.schedules.calendar import Schedule
from app.business.errors import Invalid
from app.business.outlets.services.ai_connections import is_connected

MOST_ESTIMATED = 20
"""Rules with little history for which an estimate is computed."""
NEW = 0
"""Id of a rule that is not saved yet."""


@dataclass
class PaidRule:
    """A paid rule. used, runs: of the last 28 days including today, whatever started the runs."""

    rule: AutomationRule
    streams: list[Stream]
    used: int = 0
    runs: int = 0

    @property
    def per_run(self) -> float | None:
        """Mean credits of a run; None without paid runs."""
        return self.used / self.runs if self.runs else None


class Streams:
    """Creates the streams of rules over the same days."""

    def __init__(self, session: Session, account: Account, days: Days, coming: Days, now: datetime) -> None:
        self.session, self.account, self.days, self.coming, self.now = session, account, days, coming, now
        self.estimates = 0
        self.nothing, self.always = [0.0] * len(days.dates), [1.0] * len(days.dates)
        self.every_day = self._days_due(None)

    @cached_property
    def _connected(self) -> bool:
        return is_connected(self.session, self.account.id)

    def of_rule(
        self,
        rule: AutomationRule,
        spent: Mapping[Source, SourceSpending],
        versions: Sequence[Version],
        is_tried: bool,
        used: int,
        runs: int,
    ) -> PaidRule:
        """One stream; where the rule is split by site, one for each site with use."""
        stream = self.blank(rule.id, rule, None if rule.split_by == "site" else rule.site_id)
        on = history.parts_on(versions, self.days, lambda before: self._due(before, rule))
        stream = replace(stream, on=on, factor=1.0 if rule.is_active else 0.0)
        is_new = sum(on) < ENOUGH and (rule.is_active or is_tried)
        if is_new and self.estimates < MOST_ESTIMATED and not faults_of(rule):
            self.estimates += 1
            definition = read_definition(rule)
            stream = self.estimated_use(stream, definition, rule_zone(self.session, rule))
        past = {site_id: found for (rule_id, site_id), found in spent.items() if rule_id == rule.id}
        return PaidRule(rule, _parts(stream, past, rule.split_by == "site"), used, runs)

    def blank(
        self, rule_id: int, rule: AutomationRule | RuleDefinition, site_id: int | None = None
    ) -> Stream:
        """A stream without use, never on; due by its schedule."""
        most = None
        if rule.split_by != "site":
            most = rule.credit_limit_per_execution * rule.max_executions_per_day
        return Stream(
            rule_id, site_id, self.nothing, self.nothing, self._days_due(self._schedule(rule)), most=most
        )

    def estimated_use(self, stream: Stream, definition: RuleDefinition, zone: ZoneInfo) -> Stream:
        """The stream with the estimate by prices and records, for a rule with little history."""
        due = history.parts_due(self._schedule(definition), self.days)
        found = estimate_use(
            self.session,
            self.account.id,
            definition,
            due,
            since=self.days.starts[0],
            zone=zone,
            now=self.now,
            connected=self._connected,
        )
        return replace(stream, estimated_use=found.per_day, waiting=found.waiting, most=found.most)

    def _due(self, before: Stored, rule: AutomationRule) -> list[float]:
        """Past days on which an earlier version was due, weighted by its runs per due day relative to the present
        version."""
        then, now = self._schedule(definition_from(before)), self._schedule(rule)
        limit = rule.max_executions_per_day
        ratio = min(history.times_a_day(then), limit) / min(history.times_a_day(now), limit)
        return [part * ratio for part in history.parts_due(then, self.days)]

    def _schedule(self, rule: AutomationRule | RuleDefinition) -> Schedule | None:
        if rule.trigger != "schedule":
            return None
        try:
            schedule = (read_definition(rule) if isinstance(rule, AutomationRule) else rule).times
        except Invalid:
            return None
        return schedule if schedule.named_zone else schedule.in_zone(self.account.timezone)

    def _days_due(self, schedule: Schedule | None) -> list[float]:
        parts = history.parts_due(schedule, self.coming)
        rest = history.rest_of_day(schedule, self.coming.starts[0], self.coming.starts[1], self.now)
        return [min(parts[0], rest), *parts[1:]]


def _parts(stream: Stream, past: Mapping[int | None, SourceSpending], is_split: bool) -> list[Stream]:
    if is_split and past:
        part = 1 / len(past)
        each = replace(
            stream, most=None, waiting=stream.waiting * part, estimated_use=stream.estimated_use * part
        )
        return [replace(each, site_id=site_id, used=found.used) for site_id, found in past.items()]
    lines: list[Sequence[float]] = [found.used for found in past.values()] or [stream.used]
    return [replace(stream, used=[sum(used) for used in zip(*lines, strict=True)])]
