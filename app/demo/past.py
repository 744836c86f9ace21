"""Simulated time inside one transaction: the real engine on its own clock, for one account only."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.provider_handlers import ClusterKeywordsWork
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs import waiting
from app.business.automation.services.triggering.activations import outdated_rules
from app.business.automation.services.triggering.batch_plans import dispatch_batch, plan_batch
from app.business.automation.services.triggering.planning import WINDOW, plan_rule, replan
from app.business.billing.services.replenishment import grant_month
from app.business.events import EventBatch
from app.demo.groups import KnownGroups
from app.demo.provider import MonthlyModel

MOMENT = timedelta(milliseconds=15)
"""How much each reading of the clock advances it, so that no two things happen at the same instant."""
PICK_UP_SECONDS = 0.6

UNTIL_WOKEN = (Waiting.DAY, Waiting.BUDGET)


class Past:
    """A clock from `begins_at` to `ends_at`, and an account whose rules run as it advances.

    All of it is one transaction of the caller: other workers see nothing of it before it is complete.
    """

    def __init__(self, session: Session, begins_at: datetime, ends_at: datetime) -> None:
        self.session, self.now, self.ends_at = session, begins_at, ends_at
        self.account_id = 0
        self.model = MonthlyModel(lambda: self.now, self.pass_time)
        works = {**make_works(self.model), "cluster_keywords": ClusterKeywordsWork(KnownGroups())}
        executor = ActionExecutor(self.transaction, works, self.clock, lambda: False)
        self.engine = RuleEngine(
            self.transaction, executor, self.clock, lambda _lease: nullcontext(), "worker-1"
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A savepoint that the engine uses as its transaction."""
        with self.session.begin_nested():
            yield self.session

    def clock(self) -> datetime:
        """The current time; each reading advances it a little."""
        self.pass_time(MOMENT.total_seconds())
        return self.now

    def pass_time(self, seconds: float) -> None:
        """Advance the clock, never beyond its end."""
        self.now = min(self.now + timedelta(seconds=seconds), self.ends_at)

    def advance(self, at: datetime) -> None:
        """Advance the clock to `at`, executing all that is due on the way."""
        while (next_at := self._next_at()) and next_at <= at and self.now < at:
            self.now = max(self.now, next_at)
            self.settle()
        self.now = max(self.now, at)

    def be_offline(self, until: datetime) -> None:
        """Plan, dispatch and execute nothing until then; afterwards missed times are handled as each rule says."""
        self.now = max(self.now, until)
        self.settle()

    def settle(self) -> None:
        """Grant credits, plan, dispatch, wake and execute until nothing is due."""
        grant_month(self.session, self.account_id, self.now)
        self._plan()
        self._wake()
        while self._dispatch() or self._execute():
            pass

    def _plan(self) -> None:
        outdated = outdated_rules(self.session)
        for rule in self.session.scalars(
            select(AutomationRule).where(
                AutomationRule.account_id == self.account_id,
                or_(AutomationRule.unplanned_from <= self.now + WINDOW, AutomationRule.id.in_(outdated)),
            )
        ).all():
            work = replan if rule.id in outdated else plan_rule
            work(self.session, rule, self.now)
            # Planning updates the rule by a guarded statement that loaded rows do not see.
            self.session.refresh(rule)

    def _dispatch(self) -> int:
        batches = self.session.scalars(
            select(EventBatch)
            .where(
                EventBatch.account_id == self.account_id,
                EventBatch.closed_at.is_not(None),
                EventBatch.dispatched_at.is_(None),
            )
            .order_by(EventBatch.id)
        ).all()
        for batch in batches:
            dispatch_batch(self.session, plan_batch(self.session, batch.id, self.now), self.now)
            batch.dispatched_at = self.clock()
        return len(batches)

    def _wake(self) -> None:
        due = select(ScheduledTask.automation_rule_id).where(
            ScheduledTask.account_id == self.account_id,
            ScheduledTask.status == Status.PENDING,
            ScheduledTask.waiting_for.in_(UNTIL_WOKEN),
            ScheduledTask.not_before <= self.now,
        )
        for rule_id in self.session.scalars(due.distinct()).all():
            waiting.wake_rule(self.session, rule_id)
        waiting.wake_for_credits(self.session, self.account_id)

    def _execute(self) -> int:
        due = (
            select(ScheduledTask.id)
            .where(
                ScheduledTask.account_id == self.account_id,
                ScheduledTask.status == Status.PENDING,
                ScheduledTask.waiting_for.is_(None),
                _due_at() <= self.now,
            )
            .order_by(ScheduledTask.priority, _due_at(), ScheduledTask.id)
        )
        executed = 0
        for run_id in self.session.scalars(due).all():
            self.pass_time(PICK_UP_SECONDS)
            executed += self.engine.execute(run_id)
        return executed

    def _next_at(self) -> datetime | None:
        """When the next item has to be planned or executed."""
        unplanned = select(func.min(AutomationRule.unplanned_from)).where(
            AutomationRule.account_id == self.account_id
        )
        due = select(func.min(_due_at())).where(
            ScheduledTask.account_id == self.account_id,
            ScheduledTask.status == Status.PENDING,
            or_(ScheduledTask.waiting_for.is_(None), ScheduledTask.waiting_for.in_(UNTIL_WOKEN)),
        )
        moments = [self.session.scalar(unplanned), self.session.scalar(due)]
        return min((moment for moment in moments if moment), default=None)


def _due_at() -> ColumnElement[datetime]:
    return func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at)
