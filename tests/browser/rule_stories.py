"""Rules as content teams ask for them, with the rule that each should become. `nearest` names a deviation."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Story:
    """`rule`: the expected rule · `times`: typed into "How often" · `place`: chosen in "Where"."""

    wish: str
    rule: dict[str, Any]
    times: dict[str, Any] = field(default_factory=dict)
    place: str | None = None
    nearest: str | None = None


def leaf(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": name, "operator": operator} | ({} if value is None else {"value": value}) | more


def text(name: str, operator: str, value: Any) -> dict[str, Any]:
    return leaf(name, operator, value, ignore_case=True)


def act(action: str, when: dict[str, Any] | None = None, /, **params: Any) -> dict[str, Any]:
    return {"type": action, "params": params} | ({"when": when} if when else {})


def on(trigger: str, conditions: dict[str, Any], *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"trigger": trigger, "conditions": conditions, "actions": list(actions)} | more


def at(
    cron: str,
    zone: str,
    record_type: str | None,
    conditions: dict[str, Any],
    *actions: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    schedule = {"cron": cron, "timezone": zone}
    return on("schedule", conditions, *actions, schedule=schedule, record_type=record_type) | more


PILLARS = {
    "count": "content",
    "where": {"all": [leaf("status", "eq", "published"), text("labels", "contains", "pillar")]},
}
SHORT = leaf("word_count", "lt", 900)
REGULATED = ["finance", "health"]
STORIES = [
    Story(
        "Each hour write the first planned row whose day has come, as a draft.",
        at("0 * * * *", "UTC", "task",
           {"all": [leaf("status", "eq", "queued"), leaf("due_on", "lte", {"field": "now.date"})]},
           act("generate_content"), record_limit=1, max_executions_per_day=24),
        {"frequency": "hourly", "minute": "0"},
        nearest="A task is planned for a day, not for an hour.",
    ),
    Story(
        "On weekdays at six, on the editor's clock, take one topic and leave a post of 1,000 words for approval.",
        at("0 6 * * 1-5", "Europe/Berlin", "idea", {"all": [leaf("status", "eq", "accepted")]},
           act("create_tasks", word_count=1000), act("generate_content"), record_limit=1),
        {"frequency": "weekdays", "at": "06:00", "timezone": "Europe/Berlin"},
        nearest="The oldest topic is taken, not a random one.",
    ),
    Story(
        "Make an idea of every new keyword that is searched much and is easy, at most twenty a day.",
        on("keyword_added", {"all": [leaf("volume", "gte", 500), leaf("difficulty", "lt", 30)]},
           act("create_record", type="idea", title="{text}"), batching="each", max_executions_per_day=20),
    ),
    Story(
        "Mark new keywords that only look for a site, or for a competitor's brand, as not ours.",
        on("keyword_added",
           {"any": [leaf("intent", "eq", "navigational"), text("text", "has_word", "acme"),
                    text("text", "has_word", "rival")]},
           act("update_records", labels_add=["not ours"])),
    ),
    Story(
        "Three ideas for each new cluster of five keywords and more than 1,000 searches.",
        on("cluster_created", {"all": [leaf("keyword_count", "gte", 5), leaf("total_volume", "gt", 1000)]},
           act("generate_ideas", ideas_per_cluster=3)),
    ),
    Story(
        "At night group all keywords without a cluster, if there are fifty, for at most 100 credits.",
        at("30 2 * * *", "UTC", "keyword", {"all": [leaf("cluster", "is_empty")]}, act("cluster_keywords"),
           record_minimum=50, record_limit=5000, credit_limit_per_execution=100),
        {"frequency": "daily", "at": "02:30"},
    ),
    Story(
        "Ideas in a regulated sector become tasks for a writer.",
        on("idea_created", {"all": [text("sector.name", "in", REGULATED)]}, act("create_tasks")),
    ),
    Story(
        "All other ideas become tasks that are due in seven days.",
        on("idea_created", {"not": {"any": [text("sector.name", "in", REGULATED), leaf("status", "eq", "rejected")]}},
           act("create_tasks", due_in_days=7)),
    ),
    Story(
        "Write refreshes at once, one at a time, at most five a day for each site.",
        at("*/5 * * * *", "UTC", "task",
           {"all": [leaf("task_type", "eq", "refresh"), leaf("status", "in", ["draft", "queued"])]},
           act("generate_content"), record_limit=1, split_by="site", max_executions_per_day=5),
        {"frequency": "minutes", "every": "5", "split_by": "site"},
        nearest="Within five minutes: limits count for each site only in rules with planned times.",
    ),
    Story(
        "Write content once more that is shorter than 900 words.",
        on("content_generated", {"all": [SHORT, leaf("task.content_count", "eq", 1)]},
           act("generate_content", again=True), batching="each"),
    ),
    Story(
        "Content that is short the second time goes to review.",
        on("content_generated", {"all": [SHORT, leaf("task.content_count", "gte", 2)]},
           act("update_records", status="review", note="Still shorter than 900 words.")),
    ),
    Story(
        "Content whose title lacks its main keyword goes back to review with a note.",
        on("content_generated", {"all": [text("title", "not_contains", {"field": "main_keyword"})]},
           act("update_records", status="review", note="The title lacks the main keyword.")),
    ),
    Story(
        "Each Monday a refresh task for pages that lose clicks, ten at most.",
        at("0 9 * * 1", "UTC", "keyword",
           {"all": [leaf("url", "is_not_empty"), leaf("impressions", "gte", 1000),
                    leaf("position", "between", [5, 20]),
                    leaf("handled_at", "not_handled_within", "28d")]},
           act("create_record", type="task", title="Refresh {text}", task_type="refresh"),
           record_limit=10, repeat="always"),
        {"frequency": "weekly", "weekdays": ["1"], "at": "09:00", "repeat": "always"},
        nearest="Figures have no past: clicks of 28 days ago are not kept.",
    ),
    Story(
        "On the first of the month start the backlog, oldest first, with 40 percent of the month's credits.",
        at("15 0 1 * *", "UTC", "idea", {"all": [leaf("status", "eq", "accepted")]},
           act("create_tasks"), act("generate_content"),
           record_limit=5000, credit_limit_per_execution=400, monthly_budget=400),
        {"frequency": "monthly", "day": "1", "at": "00:15"},
        nearest="The budget is a number of credits, not a share of the plan.",
    ),
    Story(
        "Approved drafts leave from Tuesday to Thursday between nine and eleven, one each half hour.",
        on("schedule", {"all": [leaf("status", "eq", "approved")]},
           act("update_records", labels_add=["release"]),
           schedule={"cron": "0,30 9-10 * * 2-4"}, record_type="content", record_limit=1, split_by="site"),
        {"frequency": "window", "window_every": "30", "window_from": "9", "window_until": "11",
         "window_days": ["2", "3", "4"], "split_by": "site_own_time"},
        nearest="They are marked for release: rules cannot publish.",
    ),
    Story(
        "After three failures for a site pause its rules, and tell the owner.",
        on("run_finished",
           {"all": [{"count": "task", "operator": "gte", "value": 3,
                     "where": {"all": [leaf("status", "eq", "failed"), text("site.name", "eq", "Garden"),
                                       leaf("status_since", "newer_than", "1d")]}}]},
           act("pause_rule", site=1, reason="Three articles failed"),
           act("notify", message="Rules of Garden are paused.", to="owner"),
           trigger_options={"status": "failed"}, record_type=None),
        nearest="Three failures within a day, not in a row, and one rule for each site.",
    ),
    Story(
        "Below a tenth of the month's credits pause rules that write, keep grouping.",
        on("run_finished", {"all": [leaf("account.credits_percent", "lt", 10)]},
           act("pause_rule", action="generate_content", reason="Credits run out"),
           act("notify", message="Writing is paused.", to="owner"), record_type=None, max_executions_per_day=1000),
    ),
    Story(
        "Retry what failed because a service did not answer, three times.",
        on("run_finished", {}, act("notify", message="{run.rule}: {run.reason} Tried three times.", to="operator"),
           trigger_options={"status": "failed"}, record_type=None),
        nearest="Every rule does so by itself; this one tells people when that did not help.",
    ),
    Story(
        "A keyword in another language goes to the site of that language.",
        on("keyword_added",
           {"all": [leaf("language", "is_not_empty"), text("language", "ne", {"field": "site.language"})]},
           act("update_records", labels_add=["other language"])),
        nearest="It is marked: rules cannot move a keyword to another site.",
    ),
    Story(
        "On the last weekday of the month at six in the evening make a report task.",
        at("0 18 * * 1-5", "UTC", None,
           {"any": [leaf("now.days_left_in_month", "eq", 0),
                    {"all": [leaf("now.weekday", "eq", 5), leaf("now.days_left_in_month", "lte", 2)]}]},
           act("create_record", type="task", title="Report of the month", task_type="report",
               description="{account.runs_this_month} runs, {account.failed_runs_this_month} of them failed, for "
               "{account.credits_used_this_month} credits."), site=1),
        {"frequency": "weekdays", "at": "18:00"},
        place="All of Garden",
    ),
    Story(
        "With a published pillar page in the cluster add internal links, else plan the pillar first.",
        on("content_generated", {},
           act("create_record", {"all": [PILLARS | {"operator": "gte", "value": 1}]},
               type="task", title="Link {title}", task_type="link"),
           act("create_record", {"all": [PILLARS | {"operator": "eq", "value": 0}]},
               type="idea", title="Pillar page: {main_keyword}")),
    ),
]  # fmt: skip
