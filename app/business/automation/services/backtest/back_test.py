"""Back-test: what a rule, a draft or a changed rule would have done in the last days. Read-only.

The report has a fixed size limit: totals, one line per day, samples of ten. Its assumptions are described in
`past_facts`, `past_records` (past values) and `replay` (what is not replayed); `rests` counts them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.backtest.event_source import EventSource
from app.business.automation.services.backtest.prices import Prices
from app.business.automation.services.backtest.replay import Replay, ReplayDecision, ReplayMoment
from app.business.automation.services.backtest.schedule_source import TimeSource
from app.business.automation.services.backtest.trial import OnProgress, Trial, make_trial
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.lifecycle import OperationRequest, Progress
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transactions import Clock, Transaction
from app.business.errors import Invalid

KIND = "back_test"
TESTED = ("definition", "saved")
"""Parameters that hold a definition to replay; the first there is the one asked about."""
USUAL_DAYS, MOST_DAYS = 30, 90
SAMPLE = 10
SECONDS_BETWEEN_REPORTS = 1.0


@dataclass
class DayLine:
    """One day in the account's zone. offered: events in the rule's scope, or planned times."""

    on: date
    offered: int = 0
    matched: int = 0
    runs: int = 0
    skipped: int = 0
    credits: int = 0


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
    data: Mapping[str, Any] | None = None,
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
    params: dict[str, Any] = {"days": days, "rule": rule.id if rule else None, "draft": draft_id}
    if data is not None:
        params["definition"] = (
            AutomationService()
            .checked(session, account, dict(data), rule, scope=scope)
            .model_dump(mode="json")
        )
    if rule is not None:
        params |= {"saved": definition_of(rule), "version": rule.version}
    tested = [params[name] for name in TESTED if name in params]
    params["name"] = tested[0]["name"]
    return lifecycle.begin_operation(
        session,
        account_id=account.id,
        kind=KIND,
        params=params,
        user_id=user_id,
        sites={definition["site"] for definition in tested},
        now=now,
    )


def run_back_test(
    read: Transaction, asked: OperationRequest, progress: Progress, clock: Clock
) -> dict[str, Any]:
    """Executes the operation: replays the requested definitions and returns the report."""
    until = clock()
    start = until - timedelta(days=asked.params["days"])
    wanted = [name for name in TESTED if name in asked.params]
    trials = [
        make_trial(
            read,
            account_id=asked.account_id,
            rule_id=asked.params["rule"],
            definition=definition_from(asked.params[name]),
            start=start,
            until=until,
        )
        for name in wanted
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


def _report(trials: list[Trial], outcomes: list[BackTestOutcome]) -> dict[str, Any]:
    """The first trial is the requested definition; a second one is the saved rule."""
    trial = trials[0]
    report: dict[str, Any] = {
        "from": trial.start.isoformat(),
        "to": trial.until.isoformat(),
        "trigger": trial.definition.trigger,
        "record_type": trial.definition.record_type,
        "outcomes": [_shown(outcome) for outcome in outcomes],
    }
    if len(outcomes) > 1 and trials[1].definition.record_type == trial.definition.record_type:
        report["changes"] = _changes(*outcomes)
    return report


def _shown(outcome: BackTestOutcome) -> dict[str, Any]:
    days = list(outcome.days.values())
    totals = {
        name: sum(getattr(day, name) for day in days) for name in ("offered", "matched", "runs", "credits")
    }
    latest = sorted(outcome.taken, key=lambda key: (outcome.taken[key], key), reverse=True)[:SAMPLE]
    return totals | {
        "records": len(outcome.taken),
        "unmatched": outcome.unmatched,
        "waiting": outcome.waiting,
        "skips": dict(outcome.skips.most_common()),
        "days": [asdict(day) | {"on": day.on.isoformat()} for day in days],
        "sample": [{"id": key, "at": outcome.taken[key].isoformat()} for key in latest],
        "is_estimate": outcome.is_estimate,
        "rests": {"assumed": outcome.assumed, "gone": outcome.gone, "as_today": outcome.as_today},
    }


def _changes(new: BackTestOutcome, saved: BackTestOutcome) -> dict[str, Any]:
    """Records on which the two differ: `more` taken only by the new one, `fewer` only by the saved one."""
    more = sorted(new.taken.keys() - saved.taken.keys())
    fewer = sorted(saved.taken.keys() - new.taken.keys())
    return {
        "more": len(more),
        "more_sample": more[-SAMPLE:],
        "fewer": len(fewer),
        "fewer_sample": fewer[-SAMPLE:],
    }


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
