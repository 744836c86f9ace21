"""The report of a back-test for its page: figures in words, days of the chart, names of records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.business.automation.operation_models import Operation
from app.business.automation.run_models import Reason
from app.business.automation.services.backtest.back_test import BackTestParams
from app.business.automation.services.backtest.report import BackTestReport, Difference, OutcomeReport
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.record_relations import NOUNS
from app.business.automation.services.history.run_page import Names, record_names
from app.infrastructure.database import db
from app.modules.web import Context

LOOKED_AT = {
    "schedule": ("planned time", "planned times"),
    "keyword_added": ("keyword added", "keywords added"),
    "cluster_created": ("cluster made", "clusters made"),
    "idea_created": ("idea made", "ideas made"),
    "task_created": ("task made", "tasks made"),
    "content_generated": ("content item written", "content items written"),
    "status_changed": ("change of status", "changes of status"),
    "run_finished": ("run finished", "runs finished"),
    "credits_granted": ("arrival of credits", "arrivals of credits"),
    "incoming": ("message from another system", "messages from other systems"),
}
"""Words for each trigger's events, singular and plural."""


@dataclass(frozen=True)
class OutcomeShown:
    """One outcome with its words. looked_at: what `counted.offered` counts · unmatched: records, in words."""

    title: str
    sentence: str
    looked_at: str
    unmatched: str | None
    counted: OutcomeReport


@dataclass(frozen=True)
class DifferenceShown:
    """What the changed rule decides differently."""

    counted: Difference
    more_sentence: str
    fewer_sentence: str


@dataclass(frozen=True)
class ReportShown:
    """The report with its sentences. noun: of its records."""

    name: str
    rule_id: int | None
    draft_id: int | None
    start: datetime
    until: datetime
    record_type: str | None
    noun: str
    outcomes: Sequence[OutcomeShown]
    changes: DifferenceShown | None
    rests: Sequence[str]


def report_of(operation: Operation) -> Context:
    """`report`: a ReportShown, and `names` of its records."""
    report = BackTestReport.model_validate(operation.result)
    params = BackTestParams.model_validate(operation.params)
    titles = ("As you changed it", "As it is saved") if len(report.outcomes) > 1 else ("",)
    shown = ReportShown(
        name=params.name,
        rule_id=params.rule,
        draft_id=params.draft,
        start=report.start,
        until=report.until,
        record_type=report.record_type,
        noun=NOUNS.get(report.record_type or "", "records"),
        outcomes=[
            _outcome(title, outcome, report) for title, outcome in zip(titles, report.outcomes, strict=True)
        ],
        changes=_changes(report.changes, report.record_type) if report.changes else None,
        rests=_rests(report),
    )
    return {"report": shown, "names": _names(operation.account_id, report)}


def _names(account_id: int, report: BackTestReport) -> Names:
    if report.record_type is None:
        return {}
    ids = {taken.id for outcome in report.outcomes for taken in outcome.sample}
    if report.changes:
        ids |= {*report.changes.more_sample, *report.changes.fewer_sample}
    return record_names(db.session(), account_id, {report.record_type: ids})


def _outcome(title: str, outcome: OutcomeReport, report: BackTestReport) -> OutcomeShown:
    return OutcomeShown(
        title=title,
        sentence=_sentence(outcome, report.record_type),
        looked_at=LOOKED_AT[report.trigger][outcome.offered != 1],
        unmatched=plural(outcome.unmatched, report.record_type) if outcome.unmatched else None,
        counted=outcome,
    )


def _sentence(outcome: OutcomeReport, record_type: str | None) -> str:
    if not outcome.offered:
        return "Nothing that starts it happened in these days."
    if not outcome.runs:
        return "It would not have run in these days."
    times = "once" if outcome.runs == 1 else f"{outcome.runs:,} times"
    on = f" on {plural(outcome.records, record_type)}" if outcome.records else ""
    most = "about" if outcome.is_estimate else "at most"
    noun = "credit" if outcome.credits == 1 else "credits"
    price = f"for {most} {outcome.credits:,} {noun}" if outcome.credits else "free of charge"
    return f"It would have run {times}{on}, {price}."


def _changes(changes: Difference, record_type: str | None) -> DifferenceShown:
    more, fewer = plural(changes.more, record_type), plural(changes.fewer, record_type)
    return DifferenceShown(changes, f"It would now also take {more}.", f"It would no longer take {fewer}.")


def _rests(report: BackTestReport) -> list[str]:
    """The report's assumptions in plain sentences."""
    record_type, is_schedule = report.record_type, report.trigger == "schedule"
    rests = report.outcomes[0].rests
    said = []
    if record_type:
        then = "at each planned time" if is_schedule else "when it happened"
        said.append(f"Conditions look at the {NOUNS[record_type]} as they were {then}.")
    if rests.as_today:
        said.append(f"As they are today: {', '.join(rests.as_today)}.")
    if rests.assumed:
        said.append(
            f"For {plural(rests.assumed, record_type)} nothing was kept of that time; today's values stand in."
        )
    if rests.gone:
        said.append(f"{plural(rests.gone, record_type).capitalize()} could not be read any more.")
    if report.outcomes[0].skips.get(Reason.CLOSED_DAY):
        said.append("Closed days are those of the calendars as they are today.")
    if is_schedule:
        said.append("Runs that would have met one still going on are counted as if it had ended.")
    said.append(
        "It is taken that there were credits enough, that nothing was paused, and that all work succeeds."
    )
    if report.outcomes[0].is_estimate:
        said.append("What later actions cost on newly made records is estimated.")
    return said
