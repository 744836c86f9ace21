"""A back-test of a month equals what the engine did: run for run, record for record, credit for credit."""

from typing import Any

from sqlalchemy.orm import Session

from tests.business.automation.backtest.simulated_month import LivedMonth, lines_of
from tests.business.automation.machine import Machine
from tests.factories import make_account, make_plan, make_sector, make_site
from tests.sampling import times

DAYS = times(full=30, sample=16)
LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 2}}
RULES: dict[str, dict[str, Any]] = {
    "all together": {"conditions": {"field": "volume", "operator": "gte", "value": 150}, "actions": [LABEL]},
    "one by one, waits for tomorrow": {
        "conditions": {"field": "difficulty", "operator": "lt", "value": 30},
        "batching": "each",
        "max_executions_per_day": 1,
        "actions": [LABEL],
    },
    "one by one, skips": {
        "conditions": {"field": "difficulty", "operator": "gte", "value": 70},
        "batching": "each",
        "max_executions_per_day": 1,
        "when_limited": "skip",
        "actions": [LABEL],
    },
    "accepted ideas": {
        "trigger": "status_changed",
        "trigger_options": {"record_type": "idea", "to": "accepted"},
        "batching": "each",
        "max_executions_per_day": 2,
        "actions": [{"type": "create_tasks", "params": {"word_count": 300}}],
    },
    "larger clusters": {
        "trigger": "cluster_created",
        "conditions": {"field": "keyword_count", "operator": "gte", "value": 3},
        "credit_limit_per_execution": 5,
        "monthly_budget": 20,
        "actions": [IDEAS],
    },
    "grouped at night": {
        "trigger": "schedule",
        "schedule": {"cron": "0 0 */2 * *", "timezone": "Europe/Warsaw"},
        "conditions": {"field": "status", "operator": "eq", "value": "new"},
        "record_minimum": 12,
        "actions": [{"type": "cluster_keywords"}],
    },
    "ignored at noon": {
        "trigger": "schedule",
        "schedule": {"cron": "40 13 * * 2,4", "timezone": "Europe/Warsaw"},
        "record_type": "keyword",
        "conditions": {"all": [
            {"field": "status", "operator": "eq", "value": "new"},
            {"field": "difficulty", "operator": "gt", "value": 85},
        ]},
        "record_limit": 2,
        "order": "-difficulty",
        "repeat": "always",
        "actions": [{"type": "update_records", "params": {"status": "ignored"}}],
    },
    "again after days": {
        "trigger": "schedule",
        "schedule": {"cron": "0 9 * * 1,3,5", "timezone": "Europe/Warsaw"},
        "record_type": "keyword",
        "conditions": {"field": "difficulty", "operator": "gte", "value": 60},
        "record_limit": 9,
        "repeat": "after_days",
        "repeat_after_days": 5,
        "actions": [LABEL],
    },
    "each site's own": {
        "trigger": "schedule",
        "schedule": {"cron": "0 8 * * 2,4"},
        "record_type": "task",
        "split_by": "site",
        "conditions": {"field": "status", "operator": "eq", "value": "queued"},
        "record_limit": 1,
        "actions": [{"type": "generate_content"}],
    },
    "credits run low": {
        "trigger": "schedule",
        "schedule": {"cron": "0 0 * * 1-4", "timezone": "Europe/Warsaw"},
        "record_type": None,
        "conditions": {"all": [
            {"field": "account.credits_percent", "operator": "lt", "value": 90},
            {"field": "now.weekday", "operator": "lte", "value": 3},
        ]},
        "actions": [{"type": "notify", "params": {"message": "Low"}}],
    },
}  # fmt: skip
PRICED_EXACTLY = ("all together", "accepted ideas", "larger clusters", "credits run low")
"""Actions that may cost less than what they set aside."""


def test_it_equals_what_really_happened(machine: Machine, session: Session) -> None:
    plan = make_plan(session, monthly_credits=150)
    account = make_account(session, timezone="Europe/Warsaw", credits=0, plan=plan)
    sites = [make_site(session, account, timezone=zone) for zone in ("Europe/Warsaw", "Europe/London")]
    month = LivedMonth(machine, account, [make_sector(session, site) for site in sites], days=DAYS)
    machine.now = month.begins_at
    rules = {
        name: machine.make_rule(account, **{"name": name, "trigger": "keyword_added"} | values)
        for name, values in RULES.items()
    }
    month.live()
    really = {name: month.really(rule) for name, rule in rules.items()}
    replayed = {name: month.decisions(rule) for name, rule in rules.items()}
    assert {name: lines_of(decisions) for name, decisions in replayed.items()} == really
    assert machine.breaches() == []
    assert {line.verdict for lines in really.values() for line in lines} == {
        "runs", "waits", "skipped conditions", "skipped daily_limit",
    }  # fmt: skip
    for name, rule in rules.items():
        charged = sum(run.credits_used for run in machine.runs() if run.automation_rule_id == rule.id)
        most = sum(decision.credits for decision in replayed[name])
        assert most == charged if name in PRICED_EXACTLY else most >= charged, name
