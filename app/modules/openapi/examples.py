"""A valid example body for each call that takes one, by operation id. The first site, sector and records have id 1."""

from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS
from app.modules.openapi.schemas import JsonDict

_IDEAS: JsonDict = {
    "name": "Ideas for new clusters",
    "trigger": "cluster_created",
    "conditions": {"field": "keyword_count", "operator": "gte", "value": 3},
    "actions": [{"type": GENERATE_IDEAS.key, "params": {"ideas_per_cluster": 3}}],
    "max_executions_per_day": 10,
    "credit_limit_per_execution": 50,
}
_FILE = """\
rules:
  - name: Tasks for accepted ideas
    trigger: status_changed
    trigger_options: {record_type: idea, to: accepted}
    actions:
      - type: create_tasks
"""

BODIES: dict[str, JsonDict] = {
    "create_rule": _IDEAS,
    "replace_rule": _IDEAS | {"name": "Ideas for larger clusters", "is_active": False},
    "change_rule": {"max_executions_per_day": 5},
    "enable_rule": {"backfill": False},
    "execute_rule": {"wait": 0, "max_credits": 50},
    "show_price": {},
    "try_rule": {"record_id": 1},
    "back_test": {"days": 7},
    "import_rules": {"yaml": _FILE, "dry_run": True},
    "show_preview": {
        "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
        "conditions": {"field": "status", "operator": "eq", "value": "draft"},
        "context": {"status": "draft"},
    },
    "send_back_rule_change": {"reason": "At most ten a day, please."},
    "answer_run": {"question": 1, "version": "1f3a5c7e9b0d2f4a", "answer": "Yes"},
    "go_on": {"max_credits": 50},
    "retry_runs": {"status": ["failed"], "dry_run": True},
    "create_site": {"name": "Example", "url": "https://www.example.com", "timezone": "Europe/Berlin"},
    "change_site": {"monthly_budget": 2000},
    "create_sector": {"site": 1, "name": "Running shoes"},
    "change_sector": {"name": "Trail running shoes"},
    "create_keyword": {"site": 1, "text": "trail running shoes", "volume": 5400, "difficulty": 38},
    "change_keyword": {"labels": ["autumn"]},
    "create_cluster": {"site": 1, "name": "Trail running shoes"},
    "change_cluster": {"note": "For the autumn campaign"},
    "merge_clusters": {"clusters": [2]},
    "split_cluster": {"name": "Trail shoes for winter", "keywords": [1]},
    "take_keywords": {"keywords": [1]},
    "release_keywords": {"keywords": [1]},
    "set_status_of_keywords": {"ids": [1], "status": "ignored"},
    "set_status_of_ideas": {"ids": [1], "status": "accepted"},
    "set_status_of_tasks": {"ids": [1], "status": "queued"},
    "change_settings_of_account": {"daily_ceiling": 500},
    "create_idea": {"cluster": 1, "title": "How to choose trail running shoes"},
    "change_idea": {"status": "accepted"},
    "create_task": {"idea": 1, "word_count": 1200, "status": "queued"},
    "change_task": {"due_on": "2027-01-15"},
    "create_content": {
        "task": 1,
        "title": "How to choose trail running shoes",
        "html": "<p>Start with the ground.</p>",
    },
    "change_content": {"status": "approved"},
    "publish_article": {"publish_at": "2027-01-15T09:00:00+01:00"},
    "mark_published": {"published_url": "https://www.example.com/article"},
    "send_back_content": {"note": "Shorter, please."},
    "ask_assistant": {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
    "receive_message": {"order": {"number": "A-7", "total": 1250}},
    "create_webhook": {
        "name": "Reporting",
        "url": "https://hooks.example.com/igny8",
        "events": ["run.failed"],
    },
    "change_webhook": {"is_active": False},
    "replace_site_calendar": {
        "working_hours": [{"weekday": 1, "opens": "09:00", "closes": "17:00"}, {"weekday": 2}],
        "pauses": [{"name": "Summer break", "starts_on": "2027-08-02", "ends_on": "2027-08-13"}],
        "country": "DE",
        "region": "BY",
    },
    "replace_account_calendar": {"country": "US"},
    "replace_wordpress": {
        "url": "https://www.example.com",
        "username": "editor",
        "application_password": "abcd efgh ijkl mnop",
    },
    "replace_ai": {"base_url": "https://ai.example.com/v1", "model": "small"},
}
"""Calls with file uploads have no example."""
