"""Random rules: every trigger, local and paid actions, tight limits, and the options that change their course."""

from random import Random
from typing import Any

LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
NOTIFY = {"type": "notify", "params": {"message": "Look at this"}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
TASKS = {"type": "create_tasks", "params": {"word_count": 200}}
ARTICLE = {"type": "generate_content"}
NEW_IDEA = {"type": "create_record", "params": {"type": "idea", "title": "About {name}"}}

SCHEDULED: list[dict[str, Any]] = [
    {"record_type": None, "actions": [NOTIFY]},
    {"record_type": "keyword", "actions": [LABEL], "repeat": "always", "record_limit": 3},
    {"record_type": "cluster", "actions": [IDEAS]},
    {"record_type": "cluster", "actions": [IDEAS, TASKS, ARTICLE]},
    {"record_type": "cluster", "actions": [NEW_IDEA, TASKS], "record_limit": 2},
    {"record_type": "task", "actions": [ARTICLE, LABEL]},
    {"record_type": "keyword", "actions": [LABEL], "split_by": "site"},
]
ON_EVENTS: list[dict[str, Any]] = [
    {"trigger": "keyword_added", "actions": [LABEL]},
    {"trigger": "keyword_added", "actions": [LABEL, NOTIFY], "batching": "each"},
    {"trigger": "cluster_created", "actions": [IDEAS]},
    {"trigger": "cluster_created", "actions": [IDEAS, TASKS, ARTICLE]},
    {"trigger": "idea_created", "actions": [TASKS]},
    {"trigger": "task_created", "actions": [ARTICLE]},
    {"trigger": "content_generated", "actions": [LABEL]},
    {
        "trigger": "status_changed",
        "trigger_options": {"record_type": "idea", "to": "accepted"},
        "actions": [TASKS, ARTICLE],
    },
    {"trigger": "run_finished", "actions": [NOTIFY]},
    {"trigger": "credits_granted", "actions": [NOTIFY]},
]
ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")


def random_schedule(rng: Random) -> dict[str, Any]:
    """Twice a day, daily, or on some days only."""
    minute, hour = rng.randrange(60), rng.randrange(24)
    days = rng.choice(["* * *", "* * 1,4", "* * 2", "*/3 * *", "1,15 * *"])
    hours = rng.choice([f"{hour}"] * 9 + ["*/12"])
    return {"cron": f"{minute} {hours} {days}", "timezone": rng.choice(ZONES)}


def random_rule(rng: Random) -> dict[str, Any]:
    """A rule as a person would write it, with limits that are soon reached."""
    if rng.random() < 0.5:
        rule = rng.choice(SCHEDULED) | {"trigger": "schedule", "schedule": random_schedule(rng)}
        rule |= {"overlap": rng.choice(["skip", "queue", "allow"])}
        rule |= {"catch_up": rng.choice(["latest", "all", "none"])}
    else:
        rule = dict(rng.choice(ON_EVENTS))
    return rule | {
        "name": f"Rule {rng.randrange(1000)}",
        "max_executions_per_day": rng.randint(1, 4),
        "credit_limit_per_execution": rng.choice([5, 10, 100]),
        "when_limited": rng.choice([None, "wait", "skip"]),
        "priority": rng.randint(1, 9),
        "mode": rng.choice(["live"] * 9 + ["shadow"]),
        "monthly_budget": rng.choice([None, None, None, 20]),
    }
