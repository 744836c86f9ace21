"""Converts each paid rule to streams for the forecast: past use by day, when it was on and due, and when it will be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.calendars.applied_calendars import RulePlace
from app.business.automation.services.forecast import spend_history as history
from app.business.automation.services.forecast.due_days import times_a_day
from app.business.automation.services.forecast.estimate import estimate_use
from app.business.automation.services.forecast.pace import ENOUGH, Stream
from app.business.automation.services.forecast.rule_days import RuleDays
from app.business.automation.services.forecast.spend_history import Days, Source, SourceSpending, Version
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.known_rules import ListedRule
from app.business.automation.services.rules.zone import zone_of
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

    rule: ListedRule
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
        self.rule_days = RuleDays(session, account, days, coming, now)

    @cached_property
    def _connected(self) -> bool:
        return is_connected(self.session, self.account.id)

    def of_rule(
        self,
        rule: ListedRule,
        spent: Mapping[Source, SourceSpending],
        versions: Sequence[Version],
        is_tried: bool,
        used: int,
        runs: int,
    ) -> PaidRule:
        """One stream; where the rule is split by site, one for each site with use."""
        definition = rule.definition
        is_split = definition.split_by == "site"
        past = {site_id: found for (rule_id, site_id), found in spent.items() if rule_id == rule.id}
        all_used = [sum(of_day) for of_day in zip(*(found.used for found in past.values()), strict=True)]
        stream = replace(
            self.blank(rule.id, definition, None if is_split else definition.site),
            used=all_used or self.nothing,
            on=self._on(definition, versions, all_used or self.nothing),
            factor=1.0 if definition.is_active else 0.0,
        )
        is_new = sum(stream.on) < ENOUGH and (definition.is_active or is_tried)
        if is_new and self.estimates < MOST_ESTIMATED:
            self.estimates += 1
            zone = zone_of(self.session, self.account.id, definition.site, definition.named_zone)
            stream = self.estimated_use(stream, definition, zone)
        if not (is_split and past):
            return PaidRule(rule, [stream], used, runs)
        part = 1 / len(past)
        each = replace(
            stream, most=None, waiting=stream.waiting * part, estimated_use=stream.estimated_use * part
        )
        of_sites = [
            replace(
                each,
                site_id=site_id,
                used=found.used,
                on=self._on(definition, versions, found.used, site_id),
                due=self.rule_days.ahead(definition, site_id),
            )
            for site_id, found in past.items()
        ]
        return PaidRule(rule, of_sites, used, runs)

    def blank(self, rule_id: int, rule: RuleDefinition, site_id: int | None = None) -> Stream:
        """A stream without use, never on; due by its schedule and calendar."""
        most = None
        if rule.split_by != "site":
            most = rule.credit_limit_per_execution * rule.max_executions_per_day
        return Stream(rule_id, site_id, self.nothing, self.nothing, self.rule_days.ahead(rule), most=most)

    def estimated_use(self, stream: Stream, definition: RuleDefinition, zone: ZoneInfo) -> Stream:
        """The stream with the estimate by prices and records, for a rule with little history."""
        found = estimate_use(
            self.session,
            self.account.id,
            definition,
            self.rule_days.past(definition, self.nothing),
            since=self.days.starts[0],
            zone=zone,
            now=self.now,
            connected=self._connected,
            times=self.rule_days.closed.of(
                RulePlace(self.account.id, definition.site, definition.on_closed_days)
            ),
        )
        return replace(stream, estimated_use=found.per_day, waiting=found.waiting, most=found.most)

    def _on(
        self,
        definition: RuleDefinition,
        versions: Sequence[Version],
        used: Sequence[float],
        site_id: int | None = None,
    ) -> list[float]:
        """For each past day the part on which the rule was on and due, by the version in force then, weighted by that
        version's runs per due day relative to the present one."""
        now, limit = times_a_day(_schedule(definition)), definition.max_executions_per_day

        def due(stored: Stored) -> list[float]:
            before = definition_from(stored)
            ratio = min(times_a_day(_schedule(before)), limit) / min(now, limit)
            return [part * ratio for part in self.rule_days.past(before, used, site_id)]

        return history.parts_on(versions, self.days, due)


def _schedule(rule: RuleDefinition) -> Schedule | None:
    if rule.trigger != "schedule":
        return None
    try:
        return rule.times
    except Invalid:
        return None
