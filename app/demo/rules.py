"""The six rules of the demo account: cluster, idea, task, content, and two that monitor."""

from typing import Any

GROUP = "Group new keywords every night"
PLAN = "Ideas for every larger cluster"
BRIEF = "Accepted ideas become tasks"
DRAFT = "Drafts before the team starts"
CREDITS = "Tell us when credits run low"
REVIEW = "Hand drafts on for review"

RULES: tuple[dict[str, Any], ...] = (
    {
        "name": GROUP,
        "description": "What was imported during the day is grouped by meaning when nobody waits for it.",
        "trigger": "schedule",
        "schedule": {"cron": "0 2 * * *", "timezone": "Europe/London"},
        "record_type": "keyword",
        "conditions": {"field": "status", "operator": "eq", "value": "new"},
        "actions": [{"type": "cluster_keywords", "params": {"min_cluster_size": 2}}],
    },
    {
        "name": PLAN,
        "description": "Clusters with enough searches behind them get ideas, at most three; small ones wait.",
        "trigger": "cluster_created",
        "conditions": {"field": "keyword_count", "operator": "gte", "value": 4},
        "actions": [{"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}],
        "credit_limit_per_execution": 40,
    },
    {
        "name": BRIEF,
        "description": "An editor accepts an idea; the brief and its due day follow at once.",
        "trigger": "status_changed",
        "trigger_options": {"record_type": "idea", "to": "accepted"},
        "actions": [{"type": "create_tasks", "params": {"word_count": 800, "due_in_days": 7}}],
        "max_executions_per_day": 4,
    },
    {
        "name": DRAFT,
        "description": "On working days at six, one draft for each site, oldest task first.",
        "trigger": "schedule",
        "schedule": {"cron": "0 6 * * 1-5", "timezone": "Europe/London"},
        "record_type": "task",
        "split_by": "site",
        "conditions": {"field": "status", "operator": "eq", "value": "queued"},
        "actions": [{"type": "generate_content", "params": {}}],
        "record_limit": 1,
        "credit_limit_per_execution": 20,
    },
    {
        "name": CREDITS,
        "description": "A look at the account every morning; silent while there is enough.",
        "trigger": "schedule",
        "schedule": {"cron": "0 8 * * *", "timezone": "Europe/London"},
        "record_type": None,
        "conditions": {"field": "account.credits_percent", "operator": "lt", "value": 85},
        "actions": [{"type": "notify", "params": {"message": "Credits are running low.", "to": "editor"}}],
    },
    {
        "name": REVIEW,
        "description": "In practice mode until the editors agree: it shows what it would have handed on.",
        "trigger": "content_generated",
        "conditions": {"field": "word_count", "operator": "gte", "value": 300},
        "actions": [{"type": "update_records", "params": {"status": "review", "labels_add": ["to review"]}}],
        "mode": "shadow",
    },
)
"""In the order in which the agency created them."""
