"""What people do in a month: add and decide records, write and switch rules, start, cancel and retry runs."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs import commands, waiting
from app.business.automation.services.triggering.planning import replan_account
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Refusal
from app.business.events import Origin
from app.business.planner.models import Cluster, Idea, Sector
from app.business.planner.services.cluster_service import create_cluster, move_keywords
from app.business.planner.services.idea_service import create_idea, update_idea
from app.business.planner.services.keyword_service import add_keyword
from tests.simulation.rules import random_rule, random_schedule

Row = TypeVar("Row")
ME = Actor(None)
SERVICE = AutomationService()
MOST_RULES = 6


class Person:
    """Somebody who does one thing at random, in one request. Refusals are fine, errors are not."""

    def __init__(self, session: Session, rng: Random, now: datetime) -> None:
        self.session, self.rng, self.now = session, rng, now

    def act(self) -> str:
        """Do something; returns what it was, in words for the trail."""
        (act,) = self.rng.choices(list(ACTS), weights=list(ACTS.values()))
        try:
            with self.session.begin_nested():
                return f"{act.__name__}: {act(self)}"
        except Refusal as refusal:
            return f"{act.__name__}: refused: {refusal}"

    def pick(self, query: Select[Row]) -> Row:
        """One of the rows; Refusal when there is none. Raises Refusal."""
        rows = self.session.scalars(query).all()
        if not rows:
            raise Refusal("nothing there")
        return self.rng.choice(rows)

    def add_keywords(self) -> str:
        sector = self.pick(select(Sector).order_by(Sector.id))
        for _ in range(self.rng.randint(1, 3)):
            self._keyword(sector)
        return f"sector {sector.id}"

    def add_cluster(self) -> str:
        sector = self.pick(select(Sector).order_by(Sector.id))
        origin, name = Origin(sector.account_id), f"running shoes {self.rng.randrange(10**6)}"
        keywords = [self._keyword(sector) for _ in range(2)]
        cluster = create_cluster(self.session, sector, {"name": name}, origin=origin, now=self.now)
        move_keywords(self.session, cluster, keywords, origin=origin, now=self.now)
        return f"cluster {cluster.id}"

    def _keyword(self, sector: Sector) -> int:
        fields = {
            "text": f"best running shoes {self.rng.randrange(10**9)}",
            "volume": self.rng.randrange(1000),
        }
        return add_keyword(self.session, sector, fields, origin=Origin(sector.account_id), now=self.now).id

    def add_idea(self) -> str:
        cluster = self.pick(select(Cluster).order_by(Cluster.id))
        title = {"title": f"How to run {self.rng.randrange(10**6)}"}
        idea = create_idea(self.session, cluster, title, origin=Origin(cluster.account_id), now=self.now)
        return f"idea {idea.id}"

    def decide_idea(self) -> str:
        idea = self.pick(select(Idea).order_by(Idea.id))
        status = {"status": self.rng.choice(["accepted", "rejected"])}
        update_idea(self.session, idea, status, origin=Origin(idea.account_id), now=self.now)
        return f"idea {idea.id} {status}"

    def write_rule(self) -> str:
        account = self.pick(select(Account).order_by(Account.id))
        if len(self.session.scalars(select(AutomationRule.id)).all()) >= MOST_RULES:
            raise Refusal("enough rules")
        data = random_rule(self.rng)
        data["name"] = free_name(self.session, account.id, data["name"])
        rule = SERVICE.create_rule(self.session, account, data, ME, self.now)
        return f"rule {rule.id} {rule.trigger} {rule.schedule.get('cron', '')}"

    def edit_rule(self) -> str:
        rule = self._rule()
        changes: dict[str, Any] = {"max_executions_per_day": rule.max_executions_per_day + 1}
        if rule.trigger == "schedule" and self.rng.random() < 0.6:
            changes = {"schedule": random_schedule(self.rng)}
        SERVICE.update_rule(self.session, rule, definition_of(rule) | changes, ME, self.now)
        return f"rule {rule.id} {changes}"

    def switch_rule(self) -> str:
        rule = self._rule()
        if rule.is_active:
            SERVICE.disable(self.session, rule, ME, self.now)
        else:
            SERVICE.enable(self.session, rule, ME, self.now, backfill=self.rng.random() < 0.5)
        return f"rule {rule.id} active {rule.is_active}"

    def archive_rule(self) -> str:
        rule = self._rule()
        (SERVICE.restore if rule.archived_at else SERVICE.archive)(self.session, rule, ME, self.now)
        return f"rule {rule.id} archived {bool(rule.archived_at)}"

    def start_run(self) -> str:
        rule, anyway = self._rule(), self.rng.random() < 0.5
        run = SERVICE.execute(self.session, rule, ME, self.now, even_if_off=anyway)
        return f"run {run.id} of rule {rule.id}"

    def cancel_run(self) -> str:
        run = self._run(ScheduledTask.status.in_([Status.PENDING, Status.RUNNING]))
        commands.cancel(self.session, run, self.now)
        return f"run {run.id}"

    def retry_run(self) -> str:
        run = self._run(ScheduledTask.status == Status.FAILED)
        commands.retry(self.session, run, self.now)
        return f"run {run.id}"

    def pause_or_resume(self) -> str:
        account = self.pick(select(Account).order_by(Account.id))
        set_paused(self.session, account, None if account.paused_at else self.now, self.now)
        return f"account {account.id} paused {account.paused_at}"

    def change_credits(self) -> str:
        account = self.pick(select(Account).order_by(Account.id))
        amount = self.rng.choice([-100, -20, 10, 50])
        key, kind = f"by-hand-{self.rng.randrange(10**9)}", EntryKind.ADJUST
        CreditService().add(
            self.session,
            account_id=account.id,
            kind=kind,
            amount=amount,
            key=key,
            reason="By hand",
            now=self.now,
        )
        return f"account {account.id} {amount:+}"

    def _rule(self) -> AutomationRule:
        return self.pick(select(AutomationRule).order_by(AutomationRule.id))

    def _run(self, which: Any) -> ScheduledTask:
        return self.pick(select(ScheduledTask).where(which).order_by(ScheduledTask.id))


ACTS: dict[Callable[[Person], str], int] = {
    Person.add_keywords: 4,
    Person.add_cluster: 4,
    Person.add_idea: 2,
    Person.decide_idea: 3,
    Person.write_rule: 1,
    Person.edit_rule: 3,
    Person.switch_rule: 3,
    Person.archive_rule: 1,
    Person.start_run: 3,
    Person.cancel_run: 2,
    Person.retry_run: 3,
    Person.pause_or_resume: 2,
    Person.change_credits: 2,
}
"""What people do, and how often in comparison."""


def set_paused(session: Session, account: Account, at: datetime | None, now: datetime) -> None:
    """The two buttons of the dashboard."""
    session.execute(update(Account).where(Account.id == account.id).values(paused_at=at))
    replan_account(session, account.id, now)
    if at is None:
        waiting.wake_after_pause(session, account.id)


def lift_all_limits(session: Session, now: datetime) -> None:
    """The owner raises all limits: nothing that waits has a reason to wait any longer."""
    for account in session.scalars(select(Account).order_by(Account.id)):
        set_paused(session, account, None, now)
        add = CreditService().add
        add(
            session, account_id=account.id, kind=EntryKind.ADJUST, amount=5000, key="at-last", reason="At last",
            now=now,
        )  # fmt: skip
        account.daily_ceiling = None
    for rule in session.scalars(select(AutomationRule).order_by(AutomationRule.id)):
        if rule.archived_at:
            SERVICE.restore(session, rule, ME, now)
        open_ended = {"max_executions_per_day": 10_000, "monthly_budget": None}
        SERVICE.update_rule(session, rule, definition_of(rule) | open_ended, ME, now)
    for run in session.scalars(select(ScheduledTask).where(ScheduledTask.waiting_for == Waiting.REVIEW)):
        waiting.wake_reviewed(session, [run.id])
