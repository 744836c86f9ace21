"""Rule templates for every stage of the pipeline, to choose, review and save.

The person who chooses one sets site and sector; schedules use the account's time zone.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.checking import DEFAULT_SHORTEST_INTERVAL
from app.business.automation.services.rules.definition import RuleDefinition, parse_definition
from app.business.errors import NotFound

STAGES = {
    "keyword": "Keywords",
    "cluster": "Clusters",
    "idea": "Ideas",
    "task": "Tasks",
    "content": "Content",
    "watch": "Keep an eye on it",
}
"""In the order of the pipeline; the last one monitors all of it."""
FIRST = "first-draft"
"""The template that brings a new account from keywords to its first drafts."""


@dataclass(frozen=True)
class Template:
    """A rule template. `rule` lacks name, description and the time zone of its schedule."""

    key: str
    stage: str
    name: str
    why: str
    rule: JsonObject = field(repr=False)

    def definition(self, timezone: str) -> RuleDefinition:
        """The complete rule, validated, in the time zone `timezone`, switched off."""
        data = deepcopy(self.rule) | {"name": self.name, "description": self.why, "is_active": False}
        if isinstance(schedule := data.get("schedule"), dict):
            schedule["timezone"] = timezone
        return parse_definition(data, shortest_interval_minutes=DEFAULT_SHORTEST_INTERVAL)


def template(key: str) -> Template:
    """Raises NotFound."""
    found = next((entry for entry in TEMPLATES if entry.key == key), None)
    if found is None:
        raise NotFound()
    return found


def by_stage() -> list[tuple[str, list[Template]]]:
    """(title of the stage, its templates)."""
    return [
        (title, [entry for entry in TEMPLATES if entry.stage == stage]) for stage, title in STAGES.items()
    ]


def _at(cron: str) -> JsonObject:
    return {"trigger": "schedule", "schedule": {"cron": cron}}


def _when(record_type: str, to: str) -> JsonObject:
    return {"trigger": "status_changed", "trigger_options": {"record_type": record_type, "to": to}}


def _is(name: str, value: Json, operator: str = "eq") -> JsonObject:
    return {"field": name, "operator": operator, "value": value}


def _all(*conditions: JsonObject) -> JsonObject:
    return {"all": list(conditions)}


def _do(action: str, /, **params: Json) -> JsonObject:
    return {"type": action, "params": params}


def _notify(role: str, message: str) -> JsonObject:
    return _do("notify", message=message, to=role)


TEMPLATES = (
    Template(
        FIRST, "keyword", "From new keywords to first drafts",
        "A good first rule: each import is grouped, and one article drafted for each group, within a small limit.",
        {"trigger": "keyword_added",
         "actions": [_do("cluster_keywords", min_cluster_size=2), _do("generate_ideas", ideas_per_cluster=1),
                     _do("create_tasks", word_count=800), _do("generate_content")],
         "max_executions_per_day": 1, "credit_limit_per_execution": 50},
    ),
    Template(
        "group-every-night", "keyword", "Group new keywords every night",
        "What was imported during the day is grouped by meaning when nobody waits for it.",
        _at("0 2 * * *") | {"record_type": "keyword", "conditions": _all(_is("status", "new")),
                            "actions": [_do("cluster_keywords", min_cluster_size=2)]},
    ),
    Template(
        "group-at-once", "keyword", "Group keywords as soon as they arrive",
        "For teams that want to see clusters right after an import.",
        {"trigger": "keyword_added", "actions": [_do("cluster_keywords", min_cluster_size=3)]},
    ),
    Template(
        "mark-buyers", "keyword", "Mark keywords of people who want to buy",
        "A label to filter by; change the words and the label to your own.",
        {"trigger": "keyword_added", "conditions": _all(_is("intent", ["commercial", "transactional"], "in")),
         "actions": [_do("update_records", labels_add=["buying"])]},
    ),
    Template(
        "leave-out-small", "keyword", "Leave out keywords that nobody searches for",
        "Ignored keywords stay in the list, and a person can take them back.",
        {"trigger": "keyword_added", "conditions": _all(_is("volume", 10, "lt")),
         "actions": [_do("update_records", status="ignored")]},
    ),
    Template(
        "ideas-for-larger-clusters", "cluster", "Ideas for every larger cluster",
        "Clusters that come with enough keywords get ideas at once; small ones are left to another rule or a person.",
        {"trigger": "cluster_created", "conditions": _all(_is("keyword_count", 4, "gte")),
         "actions": [_do("generate_ideas", ideas_per_cluster=3)], "credit_limit_per_execution": 50},
    ),
    Template(
        "ideas-every-monday", "cluster", "Ideas for the most searched clusters every Monday",
        "Ten clusters a week that have no ideas yet, the most searched first, so that the budget lasts.",
        _at("0 6 * * 1") | {"record_type": "cluster", "record_limit": 10, "order": "-total_volume",
                            "conditions": _all(_is("status", "new"), _is("total_volume", 500, "gte")),
                            "actions": [_do("generate_ideas", ideas_per_cluster=3)],
                            "max_executions_per_day": 1, "credit_limit_per_execution": 50},
    ),
    Template(
        "keyword-to-draft", "cluster", "From keyword to draft in one go",
        "The whole pipeline once a week within one budget. Start it in practice mode to see what it would do.",
        _at("0 3 * * 7") | {"record_type": "keyword", "conditions": _all(_is("status", "new")), "mode": "shadow",
                            "actions": [_do("cluster_keywords", min_cluster_size=3),
                                        _do("generate_ideas", ideas_per_cluster=1),
                                        _do("create_tasks", word_count=800), _do("generate_content")],
                            "max_executions_per_day": 1, "credit_limit_per_execution": 200, "monthly_budget": 800},
    ),
    Template(
        "accepted-to-tasks", "idea", "Accepted ideas become tasks",
        "An editor accepts an idea; the brief and its due day follow at once.",
        _when("idea", "accepted") | {"actions": [_do("create_tasks", word_count=1000, due_in_days=7)]},
    ),
    Template(
        "ideas-that-wait", "idea", "Remind editors of ideas that wait",
        "Every Monday, when ideas have waited a week for a yes or a no.",
        _at("0 9 * * 1") | {"record_type": "idea", "repeat": "always",
                            "conditions": _all(_is("status", "new"), _is("created_at", "7d", "older_than")),
                            "actions": [_notify("editor", "Ideas have waited a week for your yes or no: {title}.")]},
    ),
    Template(
        "drafts-in-the-morning", "task", "Drafts before the team starts",
        "On working days at six, one draft for each site, the oldest task first.",
        _at("0 6 * * 1-5") | {"record_type": "task", "split_by": "site", "record_limit": 1,
                              "conditions": _all(_is("status", "queued")), "actions": [_do("generate_content")],
                              "credit_limit_per_execution": 20},
    ),
    Template(
        "write-when-ready", "task", "Write a draft as soon as a task is ready",
        "Somebody says a task is ready to write, and the draft comes within minutes.",
        _when("task", "queued") | {"actions": [_do("generate_content")], "credit_limit_per_execution": 50},
    ),
    Template(
        "overdue-tasks", "task", "Tell the team of overdue tasks",
        "Each working morning, once for every task whose day has passed.",
        _at("0 8 * * 1-5") | {"record_type": "task",
                              "conditions": _all(_is("status", ["draft", "queued"], "in"),
                                                 _is("due_on", "0d", "older_than")),
                              "actions": [_do("update_records", labels_add=["overdue"]),
                                          _notify("operator", "Overdue, with a label that says so: {title}.")]},
    ),
    Template(
        "hand-on-for-review", "content", "Hand full drafts on for review",
        "Articles of a fair length go to review; briefs and short ones stay to be checked.",
        {"trigger": "content_generated", "conditions": _all(_is("word_count", 300, "gte"), _is("outline", False)),
         "actions": [_do("update_records", status="review", labels_add=["to review"])]},
    ),
    Template(
        "mark-short-drafts", "content", "Mark drafts that came out too short",
        "A label, so that a writer finds them before an editor does. Outlines are short anyway and get none.",
        {"trigger": "content_generated", "conditions": _all(_is("word_count", 300, "lt"), _is("outline", False)),
         "actions": [_do("update_records", labels_add=["too short"])]},
    ),
    Template(
        "drafts-to-check", "content", "Tell editors of new drafts",
        "One notice for all drafts of a run, not one for each.",
        {"trigger": "content_generated", "actions": [_notify("editor", "New drafts are here to check: {title}.")]},
    ),
    Template(
        "refresh-old-content", "content", "Plan a refresh of older articles",
        "Once a month, a task for each of the twenty articles that were published longest ago, at least half a year.",
        _at("0 7 1 * *") | {"record_type": "content", "repeat": "after_days", "repeat_after_days": 180,
                            "record_limit": 20, "order": "published_at",
                            "conditions": _all(_is("status", "published"), _is("published_at", "180d", "older_than")),
                            "actions": [_do("create_record", type="task", title="Refresh: {title}", task_type="refresh",
                                            due_in_days=30)]},
    ),
    Template(
        "credits-low", "watch", "Tell owners when credits run low",
        "A look at the account every morning; silent while there is enough.",
        _at("0 8 * * *") | {"record_type": None, "conditions": _all(_is("account.credits_percent", 20, "lt")),
                            "actions": [_notify("owner", "Less than a fifth of the month's credits is left.")]},
    ),
    Template(
        "runs-that-fail", "watch", "Tell editors when a run has failed",
        "On top of the notice that everybody gets: why, and how often in a row. At most five a day; more wait.",
        {"trigger": "run_finished", "trigger_options": {"status": "failed"}, "max_executions_per_day": 5,
         "actions": [_notify("editor", "“{run.rule}” has failed: {run.reason} "
                                   "Failed runs in a row: {run.failures_in_a_row}.")]},
    ),
    Template(
        "stop-writing-without-credits", "watch", "Stop writing before credits run out",
        "Every morning; the rules that write are switched off below a twentieth of the month's credits.",
        _at("30 5 * * *") | {"record_type": None, "conditions": _all(_is("account.credits_percent", 5, "lt")),
                             "actions": [_do("pause_rule", action="generate_content",
                                             reason="Credits have nearly run out."),
                                         _notify("editor", "Writing is switched off: credits have nearly run out.")]},
    ),
)  # fmt: skip
"""Twenty templates, from the first keyword to the published article."""
