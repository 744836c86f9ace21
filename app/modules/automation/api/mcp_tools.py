"""The tools that AI assistants may use: each is one call of the REST API, with its permission and its answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from flask import make_response
from flask.typing import ResponseReturnValue
from pydantic import ConfigDict, Field, ValidationError

from app.business.automation.services.rule_parts import Stored
from app.business.errors import Invalid, Refusal
from app.infrastructure.database import db
from app.modules.access import permission_of, require
from app.modules.api.fields import JsonObject, Moment
from app.modules.api.models import ApiModel
from app.modules.api.resource import Window
from app.modules.api.sentences import sentences_of
from app.modules.automation.api import explanation, incidents, preview, rules, run_lists, runs, starts
from app.modules.automation.api.serializers import (
    MOST_CREDITS,
    ExecuteRule,
    RuleListQuery,
    RuleTrial,
    RunQuery,
    StartAsked,
    WhyQuery,
)

RULE_FIELDS = frozenset(
    {"id", "name", "is_active", "summary", "site", "next_run_at", "last_executed_at", "execution_count_today"}
)
RUN_FIELDS = frozenset(
    {"id", "automation_rule", "rule_name", "status", "reason", "error_message", "scheduled_at", "moved_to_at",
     "started_at", "finished_at", "waiting_for", "credits_used", "site"}
)  # fmt: skip
Id = Annotated[int, Field(ge=1, lt=2**63)]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]


class Arguments(ApiModel):
    """What a tool takes: exact types, no unknown names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ListRules(Arguments):
    text: str | None = Field(None, max_length=100, description="Part of the name.")
    site: Id | None = Field(None, description="Id of a site.")
    is_active: bool | None = Field(None, description="Only rules that are on, or off.")
    limit: Limit = 50


class ListRuns(Arguments):
    rule: Id | None = Field(None, description="Id of a rule.")
    status: Literal["pending", "running", "completed", "failed", "skipped"] | None = None
    after: str | None = Field(None, max_length=40, description="Planned at or after this time (ISO 8601).")
    before: str | None = Field(None, max_length=40, description="Planned before this time (ISO 8601).")
    limit: Limit = 20


class ExplainRun(Arguments):
    run: Id = Field(description="Id of the run.")


class WhyArguments(Arguments):
    rule: Id = Field(description="Id of the rule.")
    record: Id = Field(description="Id of the record that the rule did not take, or did.")
    at: str | None = Field(
        None, max_length=40, description="Up to this moment of the past (ISO 8601); absent: now."
    )


class TestRule(Arguments):
    rule: Id = Field(description="Id of the rule.")
    record: Id | None = Field(None, description="Id of a record; absent: those that the rule would take.")


class PriceRule(Arguments):
    rule: Id = Field(description="Id of the rule.")
    records: list[Id] | None = Field(None, min_length=1, max_length=500, description="Ids of records.")


class Execute(PriceRule):
    max_credits: int = Field(
        ge=0, le=MOST_CREDITS, description="The most that this start and its follow-ups may spend."
    )
    even_if_off: bool = Field(False, description="Also a rule that is switched off.")


class ListIncidents(Arguments):
    status: Literal["open", "recovered"] | None = None
    limit: Limit = 20


@dataclass(frozen=True)
class Tool:
    """One tool. endpoint: the call of the API whose permission it needs · acts: whether it changes anything."""

    name: str
    description: str
    arguments: type[Arguments]
    endpoint: str
    call: Callable[[Any], ResponseReturnValue]
    acts: bool = False

    def as_json(self) -> JsonObject:
        """As tools/list shows it."""
        hints: JsonObject = {
            "readOnlyHint": not self.acts,
            "destructiveHint": False,
            "openWorldHint": self.acts,
        }
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.arguments.model_json_schema(),
            "annotations": hints,
        }


def _time(text: str | None, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid({name: ["Give a time like 2026-12-01T09:00."]}) from None


def _list_rules(given: ListRules) -> ResponseReturnValue:
    query = RuleListQuery(text=given.text, site=given.site, is_active=given.is_active)
    return rules.list_rules(query, Window(given.limit, None, RULE_FIELDS))


def _list_runs(given: ListRuns) -> ResponseReturnValue:
    query = RunQuery.model_validate(
        {
            "status": [given.status] if given.status else [],
            "automation_rule": [given.rule] if given.rule else [],
            "scheduled_after": _time(given.after, "after"),
            "scheduled_before": _time(given.before, "before"),
        }
    )
    return run_lists.list_runs(query, Window(given.limit, None, RUN_FIELDS))


def _why(given: WhyArguments) -> ResponseReturnValue:
    at: Moment | None = _time(given.at, "at")
    return explanation.explain_rule(given.rule, WhyQuery(record_id=given.record, at=at))


def _execute(given: Execute) -> ResponseReturnValue:
    asked = ExecuteRule(
        record_ids=given.records, max_credits=given.max_credits, even_if_off=given.even_if_off
    )
    return starts.execute_rule(given.rule, asked)


def _list_incidents(given: ListIncidents) -> ResponseReturnValue:
    query = incidents.IncidentQuery.model_validate({"status": [given.status] if given.status else []})
    return incidents.list_incidents(query, Window(given.limit, None))


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "list_rules",
            "List the automation rules, each as a plain sentence.",
            ListRules,
            "automation_api.list_rules",
            _list_rules,
        ),
        Tool(
            "list_runs",
            "List runs of rules, newest first: what ran, what was skipped, what failed, and why.",
            ListRuns,
            "automation_api.list_runs",
            _list_runs,
        ),
        Tool(
            "explain_run",
            "Explain one run: its checks, steps, attempts, conditions, records, cost, and questions it waits for.",
            ExplainRun,
            "automation_api.get_run",
            lambda given: runs.get_run(given.run),
        ),
        Tool(
            "why_nothing_happened",
            "Say why a rule did not take a record, or did, and what would have to change.",
            WhyArguments,
            "automation_api.explain_rule",
            _why,
        ),
        Tool(
            "test_rule",
            "Say what a start of the rule would do now, check by check, and what it would cost. Nothing is done.",
            TestRule,
            "automation_api.try_rule",
            lambda given: preview.try_rule(given.rule, RuleTrial(record_id=given.record)),
        ),
        Tool(
            "price_rule",
            "Say what a start of the rule would cost with all its follow-ups. Nothing is done.",
            PriceRule,
            "automation_api.show_price",
            lambda given: starts.show_price(given.rule, StartAsked(record_ids=given.records)),
        ),
        Tool(
            "execute_rule",
            "Start the rule. It never spends more than max_credits: what they do not pay for is not done.",
            Execute,
            "automation_api.execute_rule",
            _execute,
            acts=True,
        ),
        Tool(
            "list_incidents",
            "List incidents: failures of one cause, what they touch, and what to do.",
            ListIncidents,
            "automation_api.list_incidents",
            _list_incidents,
        ),
    )
}


def use(tool: Tool, arguments: Stored) -> JsonObject:
    """The result of a use; a refusal is a result that says so."""
    try:
        permission = permission_of(tool.endpoint)
        assert permission is not None
        require(permission)
        answer = make_response(tool.call(_checked(tool.arguments, arguments)))
    except Refusal as refusal:
        db.session.rollback()
        return {"content": [_text(sentence_of(refusal))], "isError": True}
    found = answer.get_json(force=True)
    return {"content": [_text(found)], "structuredContent": found, "isError": False}


def sentence_of(refusal: Refusal) -> str:
    """What was refused, as a sentence for each field."""
    if not isinstance(refusal, Invalid):
        return refusal.message
    return "\n".join(f"{path}: {' '.join(said)}" for path, said in refusal.errors.items())


def _checked(model: type[Arguments], arguments: Stored) -> Arguments:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise Invalid(sentences_of(model, error)) from None


def _text(said: Any) -> JsonObject:
    return {"type": "text", "text": said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)}
