"""A random world of rules that make ideas for credits without a service, where credits and budgets run out."""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunAttempt, Status
from app.business.automation.services.draining.drain import Drained, drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.opening import LONG_QUEUE, RUN_QUEUES
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.rule_switch import switch
from app.business.billing.models import CreditEntry, EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Conflict
from app.business.events import EventType, Origin, close_batch, open_batch, record_events
from app.business.language_model import Completion, Prompt, ProviderFault
from app.business.planner.models import Cluster, Idea, IdeaStatus, Sector, Site
from app.business.planner.services.idea_service import update_idea
from app.infrastructure.ai.offline import OfflineModel
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, LABEL
from tests.factories import make_account, make_cluster, make_keyword, make_sector, make_site, make_task
from tests.sampling import times

WORDS = ("lamp", "desk", "chair", "shelf")
SEARCHES = ("best {}", "how to clean a {}", "{} or table", "{} repair")
AGAIN = {"type": "generate_ideas", "params": {"ideas_per_cluster": 6, "again": True}}
LAMP = {"field": "name", "operator": "contains", "value": "lamp"}
NEW = {"field": "status", "operator": "eq", "value": "new"}
RULES: tuple[dict[str, Any], ...] = (
    {"actions": [IDEAS]},
    {"actions": [IDEAS], "conditions": {"any": [LAMP]}},
    {"actions": [AGAIN], "conditions": {"all": [LAMP, NEW]}},
    {"actions": [AGAIN]},
    {"actions": [LABEL]},
    {"actions": [IDEAS, LABEL]},
)


class HaltingModel(OfflineModel):
    """Fails for one cluster in nine, and for one in seven, whenever it is asked."""

    def write(self, prompt: Prompt, key: str) -> Completion:
        number = int(prompt.facts["cluster"].split()[-1])
        if number % 9 == 4:
            raise ProviderFault("refused", "Not this one.")
        if number % 7 == 3:
            raise ProviderFault("bad_answer", "Not this one either.")
        return super().write(prompt, key)


@dataclass(kw_only=True)
class PaidWorld(Machine):
    """Three accounts with two sites each; all their limits are reached now and then."""

    rng: Random
    halts: bool = True
    sectors: list[Sector] = field(default_factory=list)
    made: int = 0

    @cached_property
    def engine(self) -> RuleEngine:  # type: ignore[override]
        """Of one worker, which remembers the sites that it has read."""
        return super().engine

    def live(self) -> None:
        """Everything happens between two drains, so that both ways of draining meet it at the same moment."""
        self.model = HaltingModel() if self.halts else OfflineModel()
        self.sectors = [sector for number in (1, 2, 3) for sector in self._account(number)]
        for _step in range(times(full=3, sample=2)):
            for sector in self.rng.sample(self.sectors, 4):
                self._add_clusters(sector, self.rng.randint(1, 4))
            dispatch_batches(self.transaction, self.now)
            for _ in range(2):
                for queue in RUN_QUEUES:
                    self.drain(queue, self.rng.choice([3, 11, 40]))
                self._somebody_acts()
            self.pass_time(hours=self.rng.choice([1, 15]))
        self.settle()

    def _account(self, number: int) -> list[Sector]:
        rng = self.rng
        account = make_account(
            self.session,
            name=f"Account {number}",
            credits=rng.choice([20, 60, 1000]),
            daily_ceiling=rng.choice([None, 25, 40]),
        )
        sectors = []
        for place in (1, 2):
            budget = rng.choice([None, 15, 30])
            site = make_site(self.session, account, name=f"Site {number}.{place}", monthly_budget=budget)
            sectors.append(make_sector(self.session, site, name=f"Sector {number}.{place}"))
        for rule in rng.sample(RULES, 3):
            self.make_rule(account, **self._limits() | rule)
        self.session.commit()
        return sectors

    def _limits(self) -> dict[str, Any]:
        rng = self.rng
        return {
            "trigger": "cluster_created",
            "batching": "each",
            "monthly_budget": rng.choice([None, 10, 40]),
            "credit_limit_per_execution": rng.choice([10, 100]),
            "max_executions_per_day": rng.choice([3, 50]),
            "when_limited": rng.choice([None, "wait", "skip"]),
        }

    def _add_clusters(self, sector: Sector, count: int) -> None:
        ids = [self._cluster(sector) for _ in range(count)]
        batch = open_batch(self.session, EventType.CLUSTER_CREATED, Origin(sector.account_id), self.now)
        place = {"site_id": sector.site_id, "sector_id": sector.id, "data": {}}
        record_events(self.session, batch, "cluster", [{"record_id": key} | place for key in ids])
        close_batch(self.session, batch, self.now)
        self.session.commit()

    def _cluster(self, sector: Sector) -> int:
        self.made += 1
        word = self.rng.choice(WORDS)
        name = f"{word} {self.made}"
        cluster = make_cluster(self.session, sector, name=name, main_keyword=word if self.halts else name)
        for search in self.rng.sample(SEARCHES, 2):
            text = search.format(name)
            make_keyword(self.session, sector, text=text, cluster_id=cluster.id, status="clustered")
        return cluster.id

    def _somebody_acts(self) -> None:
        act = self.rng.choice(
            [self._cancel, self._edit, self._switch, self._archive, self._grant, self._rename, self._plan]
        )
        with self.transaction():
            act()

    def _cancel(self) -> None:
        if pending := self.runs(Status.PENDING):
            commands.cancel(self.session, self.rng.choice(pending), self.now)

    def _edit(self) -> None:
        rule = self._some(AutomationRule)
        rule.monthly_budget, rule.max_executions_per_day = (
            self.rng.choice([5, None]),
            self.rng.choice([2, 30]),
        )

    def _switch(self) -> None:
        rule = self._some(AutomationRule)
        switch(self.session, rule, not rule.is_active, self.now)

    def _archive(self) -> None:
        self._some(Cluster).archived_at = self.now

    def _grant(self) -> None:
        account_id, number = self.rng.choice(self.sectors).account_id, self.rng.random()
        CreditService().add(
            self.session, account_id=account_id, kind=EntryKind.ADJUST, amount=15, key=f"more-{number}",
            reason="More", now=self.now,
        )  # fmt: skip

    def _rename(self) -> None:
        self._some(Site).monthly_budget = self.rng.choice([10, 60])

    def _plan(self) -> None:
        sector, word = self.rng.choice(self.sectors), self.rng.choice(WORDS)
        make_task(self.session, sector, title=f"How to clean a {word} {self.made}")
        for idea in self.session.scalars(select(Idea).order_by(Idea.id).limit(2)).all():
            status = self.rng.choice([IdeaStatus.REJECTED, IdeaStatus.ACCEPTED])
            with suppress(Conflict):
                update_idea(
                    self.session, idea, {"status": status}, origin=Origin(idea.account_id, 1), now=self.now
                )

    def _some(self, model: Any) -> Any:
        rows = select(model).order_by(model.id).execution_options(populate_existing=True)
        return self.rng.choice(self.session.scalars(rows).all())


def six_due(session: Session) -> PaidWorld:
    """Six runs of one rule are due, each over one new cluster; a budget at each level."""
    machine = PaidWorld(session, rng=Random(1), model=OfflineModel(), halts=False)
    account = make_account(session, daily_ceiling=900)
    machine.make_rule(
        account, trigger="cluster_created", batching="each", actions=[IDEAS], monthly_budget=500,
        max_executions_per_day=1000,
    )  # fmt: skip
    make_sector(session, make_site(session, account, monthly_budget=700))
    due_again(machine, 6)
    return machine


def due_again(machine: Machine, runs: int) -> None:
    assert isinstance(machine, PaidWorld)
    machine._add_clusters(machine.session.scalars(select(Sector)).one(), runs)
    dispatch_batches(machine.transaction, machine.now)


def drain_all(machine: Machine, runs: int = 50) -> Drained:
    """runs: that the first transaction writes; each one may write twice as many as the last one."""
    pace = Pace(timer=lambda: 0.0, runs=runs)
    return drain(machine.engine, LONG_QUEUE, most_runs=100, most_seconds=60, pace=pace)


def spent(machine: Machine) -> tuple[int, int, int]:
    """Charges, runs charged, and attempts: each the same number when everything was done once."""
    session = machine.session
    charges = session.scalar(select(func.count(CreditEntry.id)).where(CreditEntry.run_id.is_not(None)))
    runs = session.scalar(select(func.count(func.distinct(CreditEntry.run_id))))
    return charges or 0, runs or 0, session.scalar(select(func.count(RunAttempt.id))) or 0
