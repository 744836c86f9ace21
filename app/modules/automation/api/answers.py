"""Response models of automation beside rules and runs: checks, prices, trials, explanations, imports."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from app.modules.api.fields import IsoInstant
from app.modules.api.models import ApiModel
from app.modules.api.records import Readable
from app.modules.automation.api.serializers import AttemptShown, RunShown

Trace = dict[str, JsonValue]
"""Conditions with the actual values: a leaf, a count, or a group of them, each with its `result`."""


class GateShown(ApiModel):
    """A check before a run: pass, stop, not_applicable or not_evaluated."""

    gate: str
    result: str
    message: str


class RuleInLoop(ApiModel):
    """A rule of a loop, and the event that leads to the next one."""

    rule: int | None
    name: str
    what: str


class FindingShown(ApiModel):
    """A finding of the preflight check. `field`: its path in the rule."""

    code: str
    level: str
    message: str
    advice: str
    field: str
    loop: list[RuleInLoop]


class PreflightShown(ApiModel):
    """What would keep a rule from working, or make it do too much."""

    can_enable: bool
    findings: list[FindingShown]


class PriceShown(Readable):
    """The price of a start with all its follow-ups; `credits_max` is the upper bound."""

    records: int
    runs: int
    days: int
    credits: int
    credits_max: int


class EarlierUnits(ApiModel):
    """Records that an earlier run of the same chain has finished."""

    run: int
    records: int


class StepShown(ApiModel):
    """One action within a run. `made`: ids by record type."""

    index: int
    type: str
    status: str
    records: int
    left_out: int
    done_before: list[EarlierUnits]
    made: dict[str, list[int]]
    credits: int
    error_message: str


class ContinuationShown(Readable):
    """What POST go-on would start, and its price."""

    what: str
    runs: int
    days: int
    credits_max: int = Field(validation_alias="credits")


class QuestionShown(Readable):
    """A question that a run waits to be answered. `answers`: with the first one it goes on · `who`: roles, and ids of
    people, who may answer; owners always may · `outline`: of the article of the task `record`, if it is about one.

    `version` changes with the question and with the articles that it is about.
    """

    id: int
    version: str
    text: str
    answers: list[str]
    who: list[int | str]
    until: datetime
    step: int
    record: int | None
    outline: dict[str, JsonValue] | None


class RunWhole(RunShown):
    """A run with all its details. `records`: null until they are selected · `questions`: those it waits for."""

    steps: list[StepShown]
    attempts: list[AttemptShown]
    gates: list[GateShown]
    trace: Trace | None
    records: list[int] | None
    questions: list[QuestionShown]
    go_on: ContinuationShown | None


class SummaryShown(ApiModel):
    """Figures of a period.

    `success_rate`: 0 to 1, null without completed and failed runs; `unaccounted` should be 0.
    """

    model_config = ConfigDict(populate_by_name=True)

    active_rules: int
    runs: dict[str, int]
    success_rate: float | None
    credits_used: int
    recent: list[RunShown]
    unaccounted: int
    from_at: IsoInstant = Field(alias="from")
    to_at: IsoInstant = Field(alias="to")


class ActionPriced(ApiModel):
    """An action of a trial; `price` is null where it depends on records that an earlier one creates."""

    type: str
    params: dict[str, JsonValue]
    price: int | None


class TrialShown(ApiModel):
    """What a run would do now; nothing is stored."""

    would_run: bool
    gates: list[GateShown]
    conditions: Trace
    matched: int
    actions: list[ActionPriced]
    records: int
    runs: int
    days: int
    price: int | None
    price_max: int


class TimesShown(ApiModel):
    """The next times of a schedule, with their zone's offset."""

    description: str
    next: list[IsoInstant]


class VerdictShown(ApiModel):
    """Whether the conditions are met, and why."""

    result: bool
    trace: Trace


class PreviewShown(ApiModel):
    """Contains only the parts that were requested."""

    errors: dict[str, list[str]] = Field(default_factory=dict)
    schedule: TimesShown = Field(default=TimesShown(description="", next=[]))
    conditions: VerdictShown = Field(default=VerdictShown(result=False, trace={}))


class Happened(ApiModel):
    """One moment at which the rule took the record, will take it, or did not; `count`: equal moments in a row."""

    at: IsoInstant
    kind: Literal["taken", "waiting", "not_taken"]
    sentence: str
    run: int | None
    rule_version: int | None
    count: int
    first_at: IsoInstant | None


class SmallestChange(ApiModel):
    """One condition that would have to be flipped: on a field, or on a count of related records."""

    field: str = ""
    count: str = ""
    of: str = ""
    operator: str
    value: JsonValue
    actual: JsonValue
    wanted: bool


class ReadingShown(ApiModel):
    """The conditions on the record. `as_now`: fields read with their present value."""

    at: IsoInstant
    rule_version: int
    source: Literal["run", "event", "unchanged", "now"]
    as_now: list[str]
    result: bool
    conditions: Trace
    smallest_change: list[SmallestChange] | None
    advice: str


class WhyShown(ApiModel):
    """Why a rule took a record, or did not."""

    rule: int
    record_type: str
    record_id: int
    verdict: Literal["taken", "waiting", "not_taken", "would"]
    headline: str
    happenings: list[Happened]
    gates: list[GateShown]
    then: ReadingShown | None
    now: ReadingShown | None


class ChangeShown(Readable):
    """One difference between two versions; null: absent."""

    field: str
    before: str | None
    after: str | None
    kind: Literal["changed", "added", "removed"]


class ImportedRule(ApiModel):
    """Import result of one rule of a file. `errors`: by field path."""

    number: int
    name: str
    state: str
    id: int | None
    summary: str
    changes: list[ChangeShown]
    errors: dict[str, list[str]]


class ImportedRules(ApiModel):
    """Import result of the file; `unknown_sites`: names for which a site can be chosen."""

    dry_run: bool
    rules: list[ImportedRule]
    unknown_sites: list[str]


class RetryShown(ApiModel):
    """What a retry of all failed runs would do.

    `left_out`: number of runs by reason; `beyond`: runs above the limit of one operation.
    """

    dry_run: Literal[True] = True
    runs: int
    finished_units: int
    credits_most: int
    credits_added: int
    credits_available: int
    left_out: dict[str, int]
    beyond: int
    as_of: IsoInstant
