"""Rules of all combinations of actions that fit together, each interrupted at some point, and their final state."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.handler import Work
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.rules.definition import parse_definition
from app.business.automation.services.runs import commands, recovery
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import OutOfCredits
from app.business.automation.services.runs.lease import LEASE
from app.business.automation.services.runs.opening import RUN_QUEUES
from app.business.automation.services.runs.reservations import ready
from app.business.automation.services.runs.steps import Step
from app.business.automation.services.runs.unit_receipts import Done, Unit
from app.business.billing.models import CreditEntry
from app.business.billing.services.credit_service import Shortfall
from app.business.errors import Conflict, Invalid
from tests.business.automation.machine import Machine
from tests.factories import (
    make_account,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)

PARAMS: dict[str, dict[str, Any]] = {
    "update_records": {"labels_add": ["seen"]},
    # Without the cluster's keywords: a page for them would rightly leave later ideas of the cluster out.
    "create_record": {"type": "task", "title": "From a record", "word_count": 100, "inherit": False},
    "create_tasks": {"word_count": 100},
    "notify": {"message": "Done"},
    "pause_rule": {"rule_id": 1},
    "resume_rule": {"rule_id": 1},
}
"""Parameters that an action needs to have any effect; a new action without required parameters needs no entry."""
WITH_TRIALS_OF_THEIR_OWN = ("publish_content",)
"""It needs a connected site and approved articles: actions/test_publishing.py interrupts it at each point."""
LATE = {"cron": "0 0 1 7 *", "timezone": "UTC"}
"""Not within what passes in a trial: nobody plans there."""
ENDS = ("fails", "fails, the others go on", "is cancelled", "is out of credits", "is killed")
RECOVERIES = ("a later run", "a retry")


@dataclass(frozen=True)
class Case:
    """A rule of `actions` over `record_type` that ends as `end` says at step `at`, and how it is continued."""

    actions: tuple[str, ...]
    record_type: str
    at: int = 0
    end: str = ""
    recovery: str = ""

    @property
    def rule(self) -> dict[str, Any]:
        on_error = "continue" if self.end.endswith("go on") else "stop"
        actions = [
            {"type": name, "params": PARAMS.get(name, {}), "on_error": on_error} for name in self.actions
        ]
        return {"actions": actions, "record_type": self.record_type}


def rules_of(length: int) -> Iterator[Case]:
    """Every valid sequence of this number of actions, over every record type."""
    tried = [name for name in CATALOGUE if name not in WITH_TRIALS_OF_THEIR_OWN]
    for actions in product(tried, repeat=length):
        for record_type in RECORD_TYPES:
            case = Case(actions, record_type)
            if is_accepted(case):
                yield case


def is_accepted(case: Case) -> bool:
    data = case.rule | {"name": "A rule", "trigger": "schedule", "schedule": LATE}
    try:
        parse_definition(data, shortest_interval_minutes=5)
    except Invalid:
        return False
    return True


def ways_of(case: Case) -> Iterator[Case]:
    """The rule stopped at each of its steps in each way, and continued in each way."""
    for at, end, recovery_by in product(range(len(case.actions)), ENDS, RECOVERIES):
        yield replace(case, at=at, end=end, recovery=recovery_by)


class Killed(BaseException):
    """The process is killed: none of its own handlers acts on this."""


@dataclass
class Trial:
    """What happens to the run of a rule, and what the units of all its runs have done."""

    case: Case
    rule: AutomationRule
    run: ScheduledTask
    is_over: bool = False
    done: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def is_due(self, end: str, step: Step) -> bool:
        return end in self.case.end and step.index == self.case.at and not self.is_over

    def note(self, context: RunContext, unit: Unit) -> None:
        """For units over many records, the part of each record."""
        joint = unit.record_type in ("run", "sector")
        ids = unit.ids if joint else (unit.record_id,)
        record_type = context.run.record_type or "" if joint else unit.record_type
        self.done.update((f"{unit.step.index} {unit.step.entry.key}", record_type, key) for key in ids)


Trials = dict[int, Trial]
"""By rule."""


class Commits:
    """What is noted once the transaction in which it happened is committed: a run's steps may share one."""

    def __init__(self, engine: Engine) -> None:
        self.waiting: list[Callable[[], None]] = []
        event.listen(engine, "commit", self._commit)
        event.listen(engine, "rollback", self._rollback)

    def when_committed(self, session: Session, note: Callable[[], None]) -> None:
        """Nothing is noted where the transaction is rolled back."""
        assert session.in_transaction()
        self.waiting.append(note)

    def _commit(self, _connection: Connection) -> None:
        for note in self.waiting:
            note()
        self.waiting.clear()

    def _rollback(self, _connection: Connection) -> None:
        self.waiting.clear()


@dataclass
class WatchedWork:
    """An action's work that records what it did and fails or is cancelled on a chosen call."""

    own: Work
    trials: Trials
    now: datetime
    kept: "Commits"

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any:
        return self.own.read(session, context, unit)

    def work(self, request: Any, key: str) -> Any:
        return self.own.work(request, key)

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        self.own.give_up(session, context, unit)

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Any) -> Any:
        trial = self.trials[context.rule.id]
        if trial.is_due("fails", unit.step):
            trial.is_over = True
            raise Conflict("Not this time.")
        done = self.own.save(session, context, unit, answer)
        if trial.is_due("is cancelled", unit.step):
            trial.is_over = True
            commands.cancel(session, context.run, self.now)
        if isinstance(done, Done):
            self.kept.when_committed(session, lambda: trial.note(context, unit))
        return done


class BreakingExecutor(ActionExecutor):
    """Runs out of credits, or dies with its process, before it plans the step."""

    trials: Trials

    def _plan(self, session: Session, context: RunContext, step: Step, *others: Any) -> list[Unit]:
        trial = self.trials[context.rule.id]
        if trial.is_due("is out of credits", step):
            trial.is_over = True
            raise OutOfCredits(Shortfall("credits", 9, 3, "Needs 9 credits, 3 free."))
        if trial.is_due("is killed", step):
            raise Killed
        return super()._plan(session, context, step, *others)


@dataclass
class BreakingMachine(Machine):
    """Workers on whose runs the trials are executed."""

    trials: Trials = field(default_factory=dict)
    kept: Commits = field(init=False)

    def __post_init__(self) -> None:
        bind = self.session.get_bind()
        assert isinstance(bind, Engine)
        self.kept = Commits(bind)

    @property
    def engine(self) -> RuleEngine:
        engine = super().engine
        own = make_works(self.model)
        works = {name: WatchedWork(work, self.trials, self.now, self.kept) for name, work in own.items()}
        executor = BreakingExecutor(self.transaction, works, self.clock, lambda: False)
        executor.trials = self.trials
        engine.executor = executor
        return engine

    def settle(self, rounds: int = 50) -> None:
        """As workers do; what one that dies has claimed or reserved is free again once its lease is over."""
        while not self._survives() or self._is_one_due():
            if not self._is_one_ready():
                self.now += 2 * LEASE
                recovery.rescue(self.transaction, self.clock)

    def _survives(self) -> bool:
        try:
            super().settle()
        except Killed:
            return False
        return True

    def _is_one_due(self) -> bool:
        """A run is running, or due and waits for nothing but a worker, whoever has reserved it."""
        run = ScheduledTask
        waits = (run.status == Status.PENDING) & run.waiting_for.is_(None) & (run.scheduled_at <= self.now)
        return (
            self.session.scalar(select(run.id).where((run.status == Status.RUNNING) | waits).limit(1))
            is not None
        )

    def _is_one_ready(self) -> bool:
        return any(self.session.scalar(ready(queue, self.now).limit(1)) is not None for queue in RUN_QUEUES)

    def begin(self, case: Case) -> Trial:
        """A rule as the case says, on its own records, and its first run."""
        account = make_account(self.session, credits=1000)
        make_records(self.session, account, case.record_type)
        bystander = self.make_rule(account, name="Bystander", is_active=False)
        rule = self.make_rule(account, **_with_rule(case.rule, bystander.id), **PLANNED)
        run = AutomationService().execute(self.session, rule, Actor(None), self.now)
        trial = self.trials[rule.id] = Trial(case, rule, run, is_over=not case.end)
        return trial

    def take_up(self, trial: Trial) -> None:
        """Continue what the run left, as the case says."""
        trial.is_over = True
        self.session.refresh(trial.run)
        if trial.run.status == Status.FAILED and trial.case.recovery == "a retry":
            commands.retry(self.session, trial.run, self.now)
        elif trial.run.status == Status.FAILED:
            trial.run = AutomationService().execute(self.session, trial.rule, Actor(None), self.now)


@dataclass(frozen=True)
class Outcome:
    """How often each type of action was done for a record, what more than once, credits charged, records left."""

    done: Counter[str]
    twice: list[tuple[str, str, int]]
    credits: int
    left: int
    status: str


def tried(machine: BreakingMachine, cases: Iterable[Case]) -> dict[Case, Outcome]:
    """What it all comes to when each case has happened to a rule of its own and was taken up again."""
    trials = [machine.begin(case) for case in cases]
    machine.settle()
    for trial in trials:
        machine.take_up(trial)
    machine.settle()
    return {trial.case: _outcome(machine.session, trial) for trial in trials}


def _outcome(session: Session, trial: Trial) -> Outcome:
    session.refresh(trial.run)
    twice = [key for key, times in trial.done.items() if times > 1]
    charged = _charged(session, trial.rule.account_id)
    return Outcome(_by_type(trial.done), twice, charged, _left(session, trial.rule), trial.run.status)


OWN = {"field": "labels", "operator": "contains", "value": "own"}
PLANNED = {
    "conditions": OWN,
    "trigger": "schedule",
    "schedule": LATE,
    "credit_limit_per_execution": 500,
    "max_executions_per_day": 100,
}


def make_records(session: Session, account: Account, record_type: str) -> None:
    """Two of the type with all their ancestors; keywords that make a cluster. Those are the rule's own."""
    own = {"labels": ["own"]}
    sector = make_sector(session, make_site(session, account))
    if record_type == "keyword":
        for text in ("trail running shoes", "best trail running shoes", "trail running shoes men"):
            make_keyword(session, sector, text=text, **own)
        return
    for number in range(2):
        cluster = make_cluster(session, sector, **own)
        make_keyword(session, sector, text=f"shoes {number}", cluster_id=cluster.id, status="clustered")
        if record_type != "cluster":
            idea = make_idea(session, sector, cluster_id=cluster.id, **own)
        if record_type in ("task", "content"):
            task = make_task(session, sector, idea_id=idea.id, word_count=100, **own)
        if record_type == "content":
            make_content(session, sector, task_id=task.id, **own)


def _with_rule(rule: dict[str, Any], rule_id: int) -> dict[str, Any]:
    actions = [
        action | {"params": {"rule_id": rule_id}} if "rule_id" in action["params"] else action
        for action in rule["actions"]
    ]
    return rule | {"actions": actions}


def _by_type(done: Counter[tuple[str, str, int]]) -> Counter[str]:
    return Counter(name.partition(" ")[2] for name, _, _ in done.elements())


def _charged(session: Session, account_id: int) -> int:
    query = select(func.sum(CreditEntry.amount))
    return -(
        session.scalar(query.where(CreditEntry.account_id == account_id, CreditEntry.kind == "charge")) or 0
    )


def _left(session: Session, rule: AutomationRule) -> int:
    query = select(func.count()).where(RuleRecord.rule_id == rule.id, RuleRecord.state != "handled")
    return session.scalar(query) or 0
