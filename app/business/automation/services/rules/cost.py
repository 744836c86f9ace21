"""Estimates what a rule costs before it runs: for a number of records, and at most per day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.business.automation.services.calendars.closed_times import ALWAYS_OPEN, ClosedRule
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import (
    CATALOGUE,
    decided_by,
    made_by,
    usual_amounts,
)
from app.business.automation.services.rules.definition import RuleDefinition, usual_limit

DAYS_AHEAD = 14


def about_credits(definition: RuleDefinition, records: int, *, connected: bool) -> int:
    """Estimated credits of all actions for that many records, including records that earlier actions create."""
    return sum(credits_of_actions(definition, records, connected=connected))


def credits_of_actions(definition: RuleDefinition, records: int, *, connected: bool) -> list[int]:
    """Estimated credits of each action for that many records."""
    return [use.credits for use in uses_of_actions(definition, records, connected=connected)]


@dataclass(frozen=True)
class ActionUse:
    """Numbers of one action: units of work, records created, and credits.

    amounts: by measure name, the amount per record that prices are based on.
    """

    units: int
    made: int
    credits: int
    amounts: Mapping[str, int]


def uses_of_actions(
    definition: RuleDefinition,
    records: int,
    *,
    connected: bool,
    most: bool = False,
    amounts: Mapping[str, int] | None = None,
) -> list[ActionUse]:
    """Numbers of each action for that many records: estimated, or with `most` the upper bound.

    connected: whether the account has an AI connection · amounts: of records that already exist.
    """
    counts: dict[str, int] = {definition.record_type or "": records}
    amounts = usual_amounts() if amounts is None else amounts
    found = []
    for action in definition.actions:
        entry = CATALOGUE[action.type]
        count = counts.get(entry.needed, records) if entry.needed else records
        amounts = {**amounts, **decided_by(action)}
        made = made_from(action, count, most=most)
        credits = price_of_action(action, count, amounts, connected=connected)
        found.append(ActionUse(count, made, credits, amounts))
        if made_type := made_by(action):
            counts[made_type] = made
    return found


def made_from(action: Action, count: int, *, most: bool = False) -> int:
    """The number of records that an action creates from `count` others: estimated, or the upper bound."""
    return CATALOGUE[action.type].made_from(action.params, count, most=most)


def most_per_run(definition: RuleDefinition, *, connected: bool) -> int:
    """Upper bound of the credits of one run: the price of a full run, or its credit limit if that is lower."""
    records = definition.record_limit or usual_limit(definition)
    return min(about_credits(definition, records, connected=connected), definition.credit_limit_per_execution)


def most_runs_per_day(definition: RuleDefinition, now: datetime, closed: ClosedRule = ALWAYS_OPEN) -> int:
    """Upper bound of runs per day: the daily limit, or fewer where the schedule has fewer times in the next two
    weeks, or fewer on the days on which its calendar is open (`closed`)."""
    limit = definition.max_executions_per_day
    if definition.trigger != "schedule" or definition.split_by == "site":
        return limit
    schedule = definition.times
    days = (now + timedelta(days=number) for number in range(DAYS_AHEAD))
    busiest = max(sum(1 for _ in closed.starts(schedule, day, day + timedelta(days=1))) for day in days)
    return min(limit, max(busiest, 1))


def price_of_action(action: Action, count: int, amounts: Mapping[str, int], *, connected: bool) -> int:
    """Credits of an action for `count` records. amounts: by measure name, the amount per record."""
    entry = CATALOGUE[action.type]
    if not entry.is_paid:
        return 0
    return entry.estimate(entry.read(action), count, amounts, connected=connected)
