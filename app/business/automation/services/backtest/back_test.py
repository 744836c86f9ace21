"""Back-test: what a rule, a draft or a changed rule would have done in the last days. Read-only.

The report has a fixed size limit: totals, one line per day, samples of ten. Its assumptions are described in
`past_facts`, `past_records` (past values) and `replay` (what is not replayed); `rests` counts them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from time import monotonic

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.services.backtest.event_source import EventSource
from app.business.automation.services.backtest.prices import Prices
from app.business.automation.services.backtest.replay import Replay, ReplayDecision, ReplayMoment
from app.business.automation.services.backtest.report import (
    Assumptions,
    BackTestReport,
    DayLine,
    Difference,
    OutcomeReport,
    TakenRecord,
)
from app.business.automation.services.backtest.schedule_source import TimeSource
from app.business.automation.services.backtest.trial import OnProgress, Trial, make_trial
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.lifecycle import OperationRequest, Progress
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.checking import checked
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.versions import definition_of, read_definition
from app.business.automation.services.transactions import Clock, Transaction
from app.business.errors import Invalid

KIND = "back_test"
USUAL_DAYS, MOST_DAYS = 30, 90
SAMPLE = 10
SECONDS_BETWEEN_REPORTS = 1.0


class BackTestParams(BaseModel):
    """What was asked for: the definition to test, the saved rule, or one beside the other. draft: the one edited."""

    days: int
    name: str
    rule: int | None = None
    draft: int | None = None
    definition: JsonObject | None = None
    saved: JsonObject | None = None


@dataclass
class BackTestOutcome:
    """The result for one definition. `taken`: each record it worked on, with the time.

    unmatched: records of events that did not match · skips: reason -> number of runs skipped for it.
    """

    unmatched: int = 0
    waiting: int = 0
    skips: Counter[str] = field(default_factory=Counter)
    days: dict[date, DayLine] = field(default_factory=dict)
    taken: dict[int, datetime] = field(default_factory=dict)
    assumed: int = 0
    gone: int = 0
    is_estimate: bool = False
    as_today: list[str] = field(default_factory=list)


def begin_back_test(
    session: Session,
    account: Account,
    *,
    days: int,
    user_id: int | None,
    now: datetime,
    rule: AutomationRule | None = None,
    data: Mapping[str, Json] | None = None,
    draft_id: int | None = None,
    scope: Scope | None = None,
) -> Operation:
    """Request a back-test. `data` is the definition to test, of a new rule or a change of `rule`; None: `rule` as
    saved.

    draft_id: the draft being edited · scope: what the person may see. Raises Invalid for days outside 1 to 90 and for
    definitions that could not be saved.
    """
    if not 1 <= days <= MOST_DAYS:
        raise Invalid({"days": [f"Choose from 1 to {MOST_DAYS} days."]})
    if rule is None and data is None:
        raise ValueError("a back-test needs a rule or a definition")
    params: JsonObject = {"days": days, "rule": rule.id if rule else None, "draft": draft_id}
    tested: list[RuleDefinition] = []
    if data is not None:
        tested.append(checked(session, account, dict(data), rule, scope=scope))
        params["definition"] = tested[0].model_dump(mode="json")
    if rule is not None:
        tested.append(read_definition(rule))
        params |= {"saved": definition_of(rule), "version": rule.version}
    params["name"] = tested[0].name
    return lifecycle.begin_operation(
        session,
        account_id=account.id,
        kind=KIND,
        params=params,
        user_id=user_id,
        sites={definition.site for definition in tested},
        now=now,
    )


def run_back_test(read: Transaction, asked: OperationRequest, progress: Progress, clock: Clock) -> JsonObject:
    """Executes the operation: replays the requested definitions and returns the report."""
    params = BackTestParams.model_validate(asked.params)
    until = clock()
    start = until - timedelta(days=params.days)
    trials = [
        make_trial(
            read,
            account_id=asked.account_id,
            rule_id=params.rule,
            definition=definition_from(definition),
            start=start,
            until=until,
        )
        for definition in (params.definition, params.saved)
        if definition is not None
    ]
    reporter = _ProgressReporter(progress)
    replays = [open_replay(trial, read, reporter.add) for trial in trials]
    reporter.total = sum(source.total() for source, _ in replays)
    reporter.say()
    outcomes = [replay_all(trial, *replay) for trial, replay in zip(trials, replays, strict=True)]
    reporter.say()
    return _report(trials, outcomes)


def open_replay(
    trial: Trial, read: Transaction, on_progress: OnProgress
) -> tuple[EventSource | TimeSource, Replay]:
    """The replay of a trial, and the source of its runs."""
    is_schedule = trial.definition.trigger == "schedule"
    source: EventSource | TimeSource = (
        TimeSource(trial, read, on_progress) if is_schedule else EventSource(trial, read, on_progress)
    )
    return source, Replay(trial, source, Prices(trial, read))


def replay_all(trial: Trial, source: EventSource | TimeSource, replay: Replay) -> BackTestOutcome:
    """Replay the whole period and count."""
    outcome = BackTestOutcome(is_estimate=replay.prices.is_estimate, as_today=source.conditions.as_today)
    first, last = (at.astimezone(trial.account_zone).date() for at in (trial.start, trial.until))
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        outcome.days[day] = DayLine(day)
    for moment, decisions in replay.steps():
        _count(outcome, trial, moment, decisions)
    outcome.assumed, outcome.gone = len(source.assumed), source.gone
    return outcome


def _count(
    outcome: BackTestOutcome, trial: Trial, moment: ReplayMoment | None, decisions: Iterator[ReplayDecision]
) -> None:
    if moment is not None:
        line = outcome.days[moment.at.astimezone(trial.account_zone).date()]
        line.offered += moment.offered
        line.matched += moment.matched
    for decision in decisions:
        line = outcome.days[decision.at.astimezone(trial.account_zone).date()]
        if decision.is_waiting:
            outcome.waiting += 1
        elif decision.count:
            outcome.unmatched += decision.count
        elif decision.reason is not None:
            line.skipped += 1
            outcome.skips[decision.reason] += 1
        else:
            line.runs += 1
            line.credits += decision.credits
            if trial.definition.trigger == "schedule":
                line.matched += len(decision.records)
            outcome.taken.update(dict.fromkeys(decision.records, decision.at))


def _report(trials: list[Trial], outcomes: list[BackTestOutcome]) -> JsonObject:
    trial = trials[0]
    report = BackTestReport(
        start=trial.start,
        until=trial.until,
        trigger=trial.definition.trigger,
        record_type=trial.definition.record_type,
        outcomes=[_shown(outcome) for outcome in outcomes],
    )
    if len(outcomes) > 1 and trials[1].definition.record_type == trial.definition.record_type:
        report.changes = _difference(*outcomes)
    return report.as_result()


def _shown(outcome: BackTestOutcome) -> OutcomeReport:
    days = list(outcome.days.values())
    latest = sorted(outcome.taken, key=lambda key: (outcome.taken[key], key), reverse=True)[:SAMPLE]
    return OutcomeReport(
        offered=sum(day.offered for day in days),
        matched=sum(day.matched for day in days),
        runs=sum(day.runs for day in days),
        credits=sum(day.credits for day in days),
        records=len(outcome.taken),
        unmatched=outcome.unmatched,
        waiting=outcome.waiting,
        skips=dict(outcome.skips.most_common()),
        days=days,
        sample=[TakenRecord(id=key, at=outcome.taken[key]) for key in latest],
        is_estimate=outcome.is_estimate,
        rests=Assumptions(assumed=outcome.assumed, gone=outcome.gone, as_today=outcome.as_today),
    )


def _difference(new: BackTestOutcome, saved: BackTestOutcome) -> Difference:
    more = sorted(new.taken.keys() - saved.taken.keys())
    fewer = sorted(saved.taken.keys() - new.taken.keys())
    return Difference(
        more=len(more), more_sample=more[-SAMPLE:], fewer=len(fewer), fewer_sample=fewer[-SAMPLE:]
    )


class _ProgressReporter:
    """Reports progress at most once per second."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.done, self.total, self._said_at = progress, 0, 0, 0.0

    def add(self, number: int) -> None:
        self.done += number
        if monotonic() - self._said_at >= SECONDS_BETWEEN_REPORTS:
            self.say()

    def say(self) -> None:
        self._said_at = monotonic()
        self.progress.report(self.done, self.total)
