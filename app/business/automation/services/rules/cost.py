"""What a rule may cost, reckoned before it runs: for a number of records, and at most in a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.business.automation.services.catalogue.actions.registry import CATALOGUE, made_by
from app.business.automation.services.rules.definition import (
    CLUSTERING_RECORD_LIMIT,
    RECORD_LIMIT,
    RuleDefinition,
)
from app.business.automation.services.schedules.calendar import due_instants

USUAL_WORDS = 1000
DAYS_AHEAD = 14
USUAL_CLUSTER = 5
"""Keywords in a cluster, where it is not known yet."""


def about_credits(definition: RuleDefinition, records: int) -> int:
    """About what all the actions cost for that many records; what they make on the way is estimated."""
    return sum(credits_of_actions(definition, records))


def credits_of_actions(definition: RuleDefinition, records: int) -> list[int]:
    """About what each action costs for that many records."""
    return [use.credits for use in uses_of_actions(definition, records)]


@dataclass(frozen=True)
class ActionUse:
    """What one action works on and makes, in numbers, and what that costs. words: of the tasks known by then."""

    units: int
    made: int
    credits: int
    words: int


def uses_of_actions(
    definition: RuleDefinition, records: int, *, most: bool = False, words: int = USUAL_WORDS
) -> list[ActionUse]:
    """What each action does for that many records: about, or at `most`. `words`: of tasks that are here already."""
    counts: dict[str, int] = {definition.record_type or "": records}
    found = []
    for action in definition.actions:
        entry, params = CATALOGUE[action["type"]], action.get("params", {})
        count = counts.get(entry.takes[0], records) if len(entry.takes) == 1 else records
        words = params.get("word_count", words)
        made = made_from(action, count, most=most)
        found.append(ActionUse(count, made, price_of_action(action, count, words), words))
        if made_type := made_by(action):
            counts[made_type] = made
    return found


def made_from(action: Mapping[str, Any], count: int, *, most: bool = False) -> int:
    """Records that an action makes from `count` others: about, or at most."""
    params = action.get("params", {})
    if action["type"] == "cluster_keywords":
        return count // params.get("min_cluster_size", 2) if most else -(-count // USUAL_CLUSTER)
    return count * int(params.get("ideas_per_cluster", 3)) if action["type"] == "generate_ideas" else count


def most_per_run(definition: RuleDefinition) -> int:
    """The most credits of one run: its price for as many records as it takes, within its limit."""
    clusters = any(action["type"] == "cluster_keywords" for action in definition.actions)
    records = definition.record_limit or (CLUSTERING_RECORD_LIMIT if clusters else RECORD_LIMIT)
    return min(about_credits(definition, records), definition.credit_limit_per_execution)


def most_runs_per_day(definition: RuleDefinition, now: datetime) -> int:
    """The most runs of one day: the daily limit, or fewer where the schedule names fewer times in the coming weeks."""
    limit = definition.max_executions_per_day
    if definition.trigger != "schedule" or definition.split_by == "site":
        return limit
    schedule = definition.times
    days = (now + timedelta(days=number) for number in range(DAYS_AHEAD))
    busiest = max(sum(1 for _ in due_instants(schedule, day, day + timedelta(days=1))) for day in days)
    return min(limit, max(busiest, 1))


def price_of_action(action: Mapping[str, Any], count: int, words: int) -> int:
    """Credits of an action over `count` records, tasks with so many words each."""
    entry = CATALOGUE[action["type"]]
    if entry.unit_of == "run":
        return entry.price(None, 1)
    if entry.unit_of == "sector":
        return entry.price(None, count)
    params = entry.params.model_validate(action.get("params", {}))
    return count * entry.price(params, words if action["type"] == "generate_content" else 1)
