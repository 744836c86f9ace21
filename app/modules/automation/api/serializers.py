"""JSON models of automation: request bodies, rules and runs in responses, and filters of lists.

Rules in requests are validated by `RuleDefinition`, like those of forms and the engine.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AliasPath, AwareDatetime, BaseModel, Field, create_model

from app.business.automation.run_models import Cause, Reason, Status
from app.business.automation.services.backtest.back_test import MOST_DAYS, USUAL_DAYS
from app.business.automation.services.rule_parts import RulePart
from app.business.automation.services.rules.fields import RuleFields
from app.business.automation.services.rules.versions import RENAMED
from app.modules.api.exports import FileQuery
from app.modules.api.fields import ExactInstant, ExactMoment, JsonObject, Moment, OneOf, within_reach
from app.modules.api.records import ListOf, Readable, RowId, Text
from app.modules.api.resource import Query, Schema

LONGEST_WAIT_SECONDS = 30
MOST_RECORDS = 5000
MOST_RULES = 20
MOST_CREDITS = 1_000_000_000
MOST_SECONDS = 10_000_000


def _as_stored(annotation: Any) -> Any:
    """The type of a rule's field in a response: invalid parts of rules that need repair are returned as stored."""
    parts = [kind for kind in get_args(annotation) or (annotation,) if isinstance(kind, type)]
    return dict[str, Any] if any(issubclass(kind, RulePart) for kind in parts) else annotation


def fields_shown(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a rule in responses, for `create_model`."""
    return {
        name: (_as_stored(info.annotation), Field(validation_alias=RENAMED.get(name, name)))
        for name, info in model.model_fields.items()
    }


# Any: the fields are created at run time, so type checkers do not see them.
RuleWritten: Any = create_model("RuleWritten", __base__=Readable, **fields_shown(RuleFields))


class RuleShown(RuleWritten):
    """A rule: what its author wrote, and what is derived from its runs."""

    id: int
    version: int
    last_executed_at: datetime | None = None
    execution_count_today: int = 0
    last_reset_at: datetime | None = None
    next_run_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    summary: str = ""


RULE_DERIVED = frozenset(
    {"last_executed_at", "execution_count_today", "last_reset_at", "next_run_at", "summary", "updated_at"}
)
"""Derived values, which PUT and PATCH ignore."""


class RuleQuery(Query):
    """Filters of the list of rules; `archived` lists archived ones only."""

    is_active: bool | None = None
    archived: bool = False
    trigger: Text | None = None
    site: RowId | None = None
    text: Text | None = None


class RuleListQuery(RuleQuery):
    """The same, in an order."""

    ordering: Literal["created_at", "-created_at", "name", "-name"] = "-created_at"


class WhyQuery(Query):
    """The record in question and the end of the period; `at` without an offset is in the account's zone."""

    record_id: RowId | None = None
    at: Moment | None = None


class ExportQuery(RuleQuery):
    """The rules to export: filters of the list, or ids."""

    rule: Annotated[list[RowId], Field(max_length=200), ListOf] = Field(default_factory=list)


class ImportRules(Schema):
    """`sites`: for names of unknown sites in the file, the id of the site to use."""

    yaml: str
    dry_run: bool = True
    sites: dict[str, RowId] = Field(default_factory=dict, max_length=200)


class EnableRule(Schema):
    """`backfill`: also run over existing records that match."""

    backfill: bool = False


class ExecuteRule(Schema):
    """Without `record_ids` the run selects the matching records that the rule may take.

    `max_credits`: the limit for it and its follow-ups; by default the present price.
    """

    record_ids: list[RowId] | None = Field(None, min_length=1, max_length=MOST_RECORDS)
    wait: float = Field(0, ge=0, le=LONGEST_WAIT_SECONDS)
    even_if_off: bool = False
    max_credits: int | None = Field(None, ge=0, le=MOST_CREDITS)


class StartAsked(Schema):
    """A start to be priced: with these records, else all that match; `backfill`: those existing when it is switched
    on."""

    record_ids: list[RowId] | None = Field(None, min_length=1, max_length=MOST_RECORDS)
    backfill: bool = False


class RuleTrial(Schema):
    """On one record, on values in place of a record (`{"volume": 5}`), or on the records the rule would select."""

    context: JsonObject | None = None
    record_id: RowId | None = None


class BackTestAsked(Schema):
    """`definition`: a rule as in PUT, to be tested in comparison with the saved one."""

    days: int = Field(USUAL_DAYS, ge=1, le=MOST_DAYS)
    definition: JsonObject | None = None


class PreviewAsked(Schema):
    """Any parts of a rule being edited; times are later than `after`."""

    trigger: str | None = None
    record_type: str | None = None
    schedule: JsonObject | None = None
    conditions: JsonObject | None = None
    context: JsonObject = Field(default_factory=dict)
    after: Annotated[AwareDatetime, AfterValidator(within_reach), ExactInstant] | None = None
    count: int = Field(10, ge=1, le=100)


class GoOn(Schema):
    """`max_credits`: the limit for continuing; by default the present price."""

    max_credits: int | None = Field(None, ge=0, le=MOST_CREDITS)


class AnswerQuestion(Schema):
    """The answer to the `question` (its id) in its present `version`; `outline`: the outline as it is to be written."""

    question: RowId | None = None
    version: Text = ""
    answer: Text = ""
    note: str = Field("", max_length=2_000)
    outline: JsonObject | None = None


class RunShown(Readable):
    """A run. `executed_at` is the earlier name of `started_at`.

    `moved_to_at`: the later start of a planned time (`scheduled_at`) at which the calendar is closed.
    `start`: the first run of the start that it continues, or shares with other sites; null on that one.
    """

    id: int
    automation_rule: int = Field(validation_alias="automation_rule_id")
    rule_name: str
    rule_version: int
    cause: str
    scheduled_at: datetime
    moved_to_at: datetime | None
    executed_at: datetime | None = Field(validation_alias=AliasPath("started_at"))
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None
    waiting_for: str | None
    status: str
    reason: str | None
    result: JsonObject
    error_message: str
    credits_used: int
    start: int | None = Field(validation_alias="start_id")
    max_credits: int | None
    remaining: int
    attempt: int
    site: int | None = Field(validation_alias="site_id")
    sector: int | None = Field(validation_alias="sector_id")


class AttemptShown(Readable):
    """One attempt of a run."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    status: str
    reason: str | None
    error_message: str
    credits_used: int


class RunQuery(Query):
    """Filters of the list of runs: scheduled_after <= scheduled_at < scheduled_before."""

    status: Annotated[list[Status], ListOf] = Field(default_factory=list)
    automation_rule: Annotated[list[RowId], Field(max_length=MOST_RULES), ListOf] = Field(
        default_factory=list
    )
    scheduled_after: Moment | None = None
    scheduled_before: Moment | None = None
    cause: Cause | None = None
    reason: Reason | None = None
    practised: bool | None = None
    upcoming: bool = False
    site: RowId | None = None
    actor: RowId | None = None
    q: Annotated[Text, Field(max_length=100)] | None = None
    cost_min: int | None = Field(None, ge=0, le=MOST_CREDITS)
    cost_max: int | None = Field(None, ge=0, le=MOST_CREDITS)
    took_min: float | None = Field(None, ge=0, le=MOST_SECONDS)
    ordering: Literal["-scheduled_at", "scheduled_at", "id"] = "-scheduled_at"


class RunExportQuery(RunQuery, FileQuery):
    """The filters of the list of runs."""


class RetryRuns(Schema):
    """The filters of the list of runs, applied to failed ones. Nothing is retried unless `dry_run` is false.

    `as_of`: runs that failed later are left alone; use the value of the dry run.
    """

    status: list[OneOf[Status]] = Field(default_factory=list)
    automation_rule: list[RowId] = Field(default_factory=list, max_length=MOST_RULES)
    scheduled_after: ExactMoment | None = None
    scheduled_before: ExactMoment | None = None
    cause: OneOf[Cause] | None = None
    reason: OneOf[Reason] | None = None
    as_of: ExactMoment | None = None
    dry_run: bool = True


class OperationShown(Readable):
    """A long operation: its progress and its result."""

    id: int
    kind: str
    state: str
    done: int
    total: int | None
    result: JsonObject
    error_message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SummaryQuery(Query):
    """`days`: length of the period, including today."""

    days: int = Field(30, ge=1, le=366)
