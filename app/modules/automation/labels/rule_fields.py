"""What the fields of a rule and their values are called on pages."""

from typing import Any

FIELDS = {
    "name": "Name",
    "description": "Note",
    "trigger": "What starts it",
    "trigger_options": "Which of these",
    "site": "Site",
    "sector": "Sector",
    "record_type": "Records",
    "conditions": "Conditions",
    "actions": "Actions",
    "schedule": "Times",
    "is_active": "Switched on",
    "max_executions_per_day": "Runs per day",
    "credit_limit_per_execution": "Credits per run",
    "record_limit": "Records per run",
    "record_minimum": "Fewest records",
    "order": "Which come first",
    "batching": "All together or one by one",
    "split_by": "One run, or one for each site",
    "repeat": "Again?",
    "repeat_after_days": "Again after days",
    "overlap": "If the last run is still going",
    "catch_up": "If we were offline",
    "catch_up_hours": "Catch up within hours",
    "when_limited": "When a limit is reached",
    "priority": "Priority",
    "mode": "Practice mode",
    "monthly_budget": "Credits per month",
    "stop_after_failures": "Stop after failures in a row",
}

VALUES: dict[str, dict[Any, str]] = {
    "mode": {"live": "no", "shadow": "yes"},
    "site": {None: "the whole account"},
    "sector": {None: "all sectors"},
    "record_type": {
        "keyword": "keywords",
        "cluster": "clusters",
        "idea": "ideas",
        "task": "tasks",
        "content": "content",
        None: "none",
    },
    "batching": {"batch": "all together", "each": "one by one"},
    "split_by": {"none": "one run for everything", "site": "one run for each site"},
    "repeat": {"once": "never", "after_days": "after some days", "always": "every time it matches"},
    "overlap": {"skip": "leave this run out", "queue": "wait, then run", "allow": "run beside it"},
    "catch_up": {"latest": "run the latest missed time", "all": "run every missed time", "none": "run none"},
    "when_limited": {None: "as usual", "wait": "the run waits", "skip": "the run is skipped"},
    "monthly_budget": {None: "no limit"},
    "stop_after_failures": {0: "never"},
}
"""Values that have words of their own."""
