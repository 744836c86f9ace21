"""The engine as workers run it, in the test's own process: real transactions, a provider of its own, a set clock."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.auditing import invariants
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.runs import waiting
from app.business.automation.services.runs.opening import RUN_QUEUES
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.language_model import LanguageModel
from app.business.outlets.site_publisher import NoPublisher, SitePublisher
from tests.business.automation.provider import ArticleModel
from tests.factories import NOW


@dataclass
class Machine:
    """Everything a worker does, one round at a time."""

    session: Session
    model: LanguageModel = field(default_factory=ArticleModel)
    now: datetime = NOW
    draining: bool = False
    publisher: SitePublisher = field(default_factory=NoPublisher)
    together: bool | None = None
    set_size: int = 50
    """Runs that the first set of a drain has at most."""
    as_set: int = 0
    singly: int = 0
    causes: list[Exception] = field(default_factory=list)
    """Why transactions of several runs failed."""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        try:
            yield self.session
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise

    @property
    def engine(self) -> RuleEngine:
        works = make_works(self.model, self.publisher)
        executor = ActionExecutor(self.transaction, works, self.clock, lambda: self.draining)
        return RuleEngine(self.transaction, executor, self.clock, lambda _lease: nullcontext(), "test")

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def look(self) -> int:
        """One round: dispatch events, wake what is due, execute what is ready.

        Returns the number of runs executed.
        """
        dispatch_batches(self.transaction, self.now)
        with self.transaction() as session:
            waiting.wake_what_is_due(session, self.now)
        return sum(self.drain(queue) for queue in RUN_QUEUES)

    def drain(self, queue: str, most_runs: int = 1000) -> int:
        drained = drain(
            self.engine,
            queue,
            most_runs=most_runs,
            most_seconds=60,
            together=self.together,
            pace=Pace(timer=lambda: 0.0, runs=self.set_size),
        )
        self.as_set += drained.as_set
        self.singly += drained.singly
        self.causes += [drained.cause] if drained.cause else []
        return drained.executed

    def settle(self, rounds: int = 50) -> None:
        """Repeat rounds until nothing is left to do."""
        self.session.commit()
        for _ in range(rounds):
            if self.look() == 0:
                return
        raise AssertionError("the machine does not come to rest")

    def make_rule(self, account: Account, **values: Any) -> AutomationRule:
        defaults = {
            "name": "A rule",
            "trigger": "keyword_added",
            "actions": [{"type": "notify", "params": {"message": "Hi"}}],
        }
        data = defaults | values
        data["name"] = free_name(self.session, account.id, str(data["name"]))
        rule = AutomationService().create_rule(self.session, account, data, Actor(None), self.now)
        self.session.commit()
        return rule

    def run_now(self, rule: AutomationRule, **values: Any) -> ScheduledTask:
        """Start the rule by hand and let everything settle."""
        run = AutomationService().execute(self.session, rule, Actor(None), self.now, **values)
        self.settle()
        self.session.refresh(run)
        return run

    def runs(self, *status: Status) -> list[ScheduledTask]:
        query = select(ScheduledTask).order_by(ScheduledTask.id).execution_options(populate_existing=True)
        return [run for run in self.session.scalars(query) if not status or run.status in status]

    def breaches(self) -> list[str]:
        """The audit's findings, in words."""
        return [f"{breach.name}: {breach.rows}" for breach in invariants.audit(self.session, self.now)]
