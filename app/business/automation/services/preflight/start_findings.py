"""Findings about the trigger: planned times in the past, limits below the schedule, events that never match."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.calendars.applied_calendars import RulePlace
from app.business.automation.services.catalogue.triggers import RunFinishedOptions
from app.business.automation.services.conditions.analysis.satisfiability import possible
from app.business.automation.services.conditions.nodes import field_names
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.preflight.closed_ahead import (
    FollowedPlace,
    followed_places,
    most_starts_a_day,
)
from app.business.automation.services.preflight.closed_findings import closed_findings
from app.business.automation.services.preflight.finding import Finding, Level
from app.business.automation.services.preflight.rule_graph import REPORTED_ENDS
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.cost import DAYS_AHEAD
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.schedules.calendar import Schedule, due_instants, first_due_after

TIMES = 300
"""Planned times that are checked against conditions on hour and weekday."""


def start_findings(
    session: Session, account: Account, rule: RuleDefinition, now: datetime
) -> Iterator[Finding]:
    """Whether the rule would ever start, and as often as planned."""
    if rule.trigger == "schedule":
        schedule = rule.times
        if first_due_after(schedule, now) is None:
            yield _over(schedule, now)
            return
        place = RulePlace(account.id, rule.site, rule.on_closed_days)
        places = followed_places(session, place, schedule, is_split=rule.split_by == "site")
        yield from _limited(account, rule, places, now)
        yield from _another_hour(rule, schedule, now)
        yield from closed_findings(rule, places, now)
    elif rule.trigger in ("run_finished", "credits_granted", "incoming") and rule.record_type is not None:
        sentence = f"It would never start: this trigger brings no {rule.record_type} records with it."
        advice = "Choose “no records” as what it works on, or another trigger."
        yield Finding("trigger_without_records", Level.STOP, sentence, advice, "record_type")
    if isinstance(rule.trigger_options, RunFinishedOptions):
        yield from _run_ends(session, account, rule.trigger_options)


def _over(schedule: Schedule, now: datetime) -> Finding:
    if schedule.at is not None and schedule.at <= now:
        sentence = f"Its planned time, {_utc(schedule.at)}, has passed."
    elif schedule.ends_at is not None and schedule.ends_at <= now:
        sentence = f"Its planned times ended on {_utc(schedule.ends_at)}."
    else:
        sentence = "No planned time lies between its start and its end."
    return Finding("schedule_over", Level.STOP, sentence, "Choose a time that is still to come.", "schedule")


def _limited(
    account: Account, rule: RuleDefinition, places: Sequence[FollowedPlace], now: datetime
) -> Iterator[Finding]:
    zone, limit = ZoneInfo(account.timezone), rule.max_executions_per_day
    busiest = most_starts_a_day(places, zone, now, DAYS_AHEAD)
    if busiest > limit:
        times = "once" if limit == 1 else f"{limit:,} times"
        sentence = (
            f"It is planned {busiest:,} times a day, but may run only {times}: the limit stops it there."
        )
        advice = "Raise “Runs per day”, or plan it less often."
        yield Finding("daily_limit_below_schedule", Level.WARN, sentence, advice, "max_executions_per_day")


def _another_hour(rule: RuleDefinition, schedule: Schedule, now: datetime) -> Iterator[Finding]:
    conditions = rule.tree
    if rule.in_each_sites_zone or not field_names(conditions) & {"now.hour", "now.weekday"}:
        return
    zone = ZoneInfo(schedule.timezone)
    ahead = due_instants(schedule, now, now + timedelta(days=366))
    times = [at.astimezone(zone) for at in islice(ahead, TIMES)]
    facts: list[Json] = [_one_of("now.hour", {time.hour for time in times})]
    is_whole_week = len(times) < TIMES or times[-1] - times[0] > timedelta(days=8)
    if is_whole_week:
        facts.append(_one_of("now.weekday", {time.isoweekday() for time in times}))
    elif times[-1] - times[0] < timedelta(hours=25):
        return
    at_these = parse_conditions({"all": facts}, record_type=rule.subject)
    if possible(rule.subject, conditions) and not possible(rule.subject, conditions, at_these):
        sentence = "At its planned times the conditions never hold: they ask for another hour or weekday."
        advice = "Make the planned times and the conditions name the same hours and days."
        yield Finding("schedule_against_conditions", Level.WARN, sentence, advice, "schedule")


def _one_of(field: str, values: set[int]) -> JsonObject:
    return {"field": field, "operator": "in", "value": [*sorted(values)]}


def _run_ends(session: Session, account: Account, options: RunFinishedOptions) -> Iterator[Finding]:
    rule_id = options.rule_id
    if not set(options.ends) & set(REPORTED_ENDS):
        sentence = "It would never start: skipped runs tell no other rule."
        yield Finding(
            "run_end_never_told",
            Level.STOP,
            sentence,
            "Choose completed or failed runs.",
            "trigger_options.status",
        )
    if rule_id is None:
        return
    query = select(AutomationRule.archived_at).where(
        AutomationRule.account_id == account.id, AutomationRule.id == rule_id
    )
    found = session.execute(query).first()
    if found is None or found.archived_at:
        why = "is archived" if found else "was not found"
        sentence = f"It would never start: rule {rule_id}, whose runs it waits for, {why}."
        yield Finding(
            "trigger_rule_gone", Level.STOP, sentence, "Choose another rule.", "trigger_options.rule_id"
        )


def _utc(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"
