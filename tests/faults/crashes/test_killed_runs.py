"""A worker is killed at every commit of a paid run: nothing is lost, nothing is done twice, the ledger is exact."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.auditing.invariants import audit
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import commands
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry
from app.business.planner.models import Idea, Keyword
from app.business.writer.models import Task
from tests.business.automation.rule_parts import LABEL, clusters_with_keywords
from tests.factories import make_account, make_keyword, make_sector, make_site
from tests.faults.crashes.trials import Trials
from tests.infrastructure.chat_server import ChatServer, answers, ideas, serving
from tests.sampling import FULL, times

IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3, "again": True}}
ACTIONS = [IDEAS, {"type": "create_tasks", "params": {}}]
CLUSTERS = 2
PRICE = 5 * CLUSTERS
COMMITS = 20
"""Of the whole work of a worker on this run."""
SAMPLE = {
    "before the claim": "before-commit:2",
    "after the claim": "after-commit:2",
    "before the service was asked": "after-commit:4",
    "after the service answered": "before-commit:5",
    "after a unit": "after-commit:5",
    "before the end": "before-commit:11",
    "after the end": "after-commit:11",
}
"""Where a worker that is killed there leaves the run."""


@dataclass
class Killed:
    """One run, worked on by children that die."""

    session: Session
    trials: Trials
    chat: ChatServer
    today: datetime
    run: ScheduledTask

    @property
    def service(self) -> dict[str, str]:
        return {"AI_BASE_URL": self.chat.url, "AI_MODEL": "small"}

    def moment(self) -> str:
        """The progress of the run, as the database and the service show it."""
        self.session.rollback()
        self.session.refresh(self.run)
        units = self._units()
        if self.run.status == Status.PENDING:
            return "before the claim"
        if self.run.status == Status.COMPLETED:
            return "after the end"
        if begun := [unit for unit in units if unit.status == "started"]:
            asked = begun[0].provider_key in self.chat.keys
            return "after the service answered" if asked else "before the service was asked"
        done = sum(unit.status == "done" for unit in units)
        whole = CLUSTERS + 3 * CLUSTERS
        return "before the end" if done == whole else "after a unit" if done else "after the claim"

    def _units(self) -> Sequence[ActionRun]:
        query = select(ActionRun).where(ActionRun.run_id == self.run.id)
        return self.session.scalars(query.execution_options(populate_existing=True)).all()

    def heal(self, *without: str) -> None:
        """The lease expires; then sweeps and workers."""
        expire_leases(self.session, self.today)
        self.trials.run("heal", without=without, environment=self.service)

    def wrong(self) -> list[str]:
        """What was lost, done twice, or is not exact."""
        session, run = self.session, self.run
        session.rollback()
        session.refresh(run)
        found = [] if run.status == Status.COMPLETED else [f"lost: {run.status} {run.error_message}"]
        made = Counter(session.scalars(select(Idea.cluster_id).where(Idea.account_id == run.account_id)))
        tasks = session.scalar(select(func.count(Task.id)).where(Task.account_id == run.account_id))
        if (sorted(made.values()), tasks) != ([3] * CLUSTERS, 3 * CLUSTERS):
            found.append(f"made: {made} ideas, {tasks} tasks")
        charges = self._charges()
        if charges != [-PRICE // CLUSTERS] * CLUSTERS:
            found.append(f"charged: {charges}")
        account = session.get_one(Account, run.account_id, populate_existing=True)
        if (account.credits_balance, account.credits_held) != (1000 - PRICE, 0):
            found.append(f"balance {account.credits_balance}, held {account.credits_held}")
        breaches = audit(session, self.today + timedelta(minutes=10))
        return found + [f"{breach.name}: {breach.rows}" for breach in breaches]

    def _charges(self) -> list[int]:
        query = select(CreditEntry.amount).where(
            CreditEntry.account_id == self.run.account_id, CreditEntry.kind == "charge"
        )
        return list(self.session.scalars(query))


def expire_leases(session: Session, today: datetime) -> None:
    """The time until a lease or a reservation ends is taken from the row, not waited for."""
    silent = update(ScheduledTask).where(ScheduledTask.lease_token.is_not(None))
    session.execute(silent.values(lease_until=today - timedelta(minutes=1)))
    session.commit()


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with serving(ideas(3)) as chat:
        yield chat


def open_run(session: Session, today: datetime) -> ScheduledTask:
    """A run that is due since a minute, and its wake-up job."""
    account = make_account(session, granted_at=datetime.now(UTC))
    sector = make_sector(session, make_site(session, account))
    clusters_with_keywords(session, sector, CLUSTERS)
    ago = today - timedelta(minutes=1)
    values = {"name": "Ideas", "trigger": "cluster_created", "actions": ACTIONS}
    rule = AutomationService().create_rule(session, account, values, Actor(None), ago)
    run = AutomationService().execute(session, rule, Actor(None), ago)
    session.commit()
    return run


def points() -> Iterator[str]:
    """One for each moment by default; with TRIALS=full every commit of the work, ten times."""
    if not FULL:
        yield from SAMPLE.values()
        return
    for number in range(1, COMMITS + 1):
        for side in ("before-commit", "after-commit"):
            yield from [f"{side}:{number}"] * 10


def test_a_run_killed_at_any_commit_is_finished_once(
    world: Session, trials: Trials, chat: ChatServer, today: datetime
) -> None:
    moments: Counter[str] = Counter()
    for point in points():
        trial = Killed(world, trials, chat, today, open_run(world, today))
        assert trials.dies("work_off", dies=point, environment=trial.service)
        moment = trial.moment()
        moments[moment] += 1
        trial.heal()
        assert trial.wrong() == [], f"killed {moment} ({point})"
        assert len({key for key in chat.keys if key.startswith(f"r{trial.run.id}-")}) == CLUSTERS
    assert set(moments) == set(SAMPLE)


@pytest.mark.parametrize(
    ("lacking", "moment"),
    [
        ("receipts", "after a unit"),
        ("one transaction", "after the service answered"),
        ("rescue", "after the claim"),
        ("overdue", "before the claim"),
    ],
)
def test_these_trials_fail_without_a_safeguard(
    world: Session, trials: Trials, chat: ChatServer, today: datetime, lacking: str, moment: str
) -> None:
    trial = Killed(world, trials, chat, today, open_run(world, today))
    assert trials.dies("work_off", dies=SAMPLE[moment], without=[lacking], environment=trial.service)
    trial.heal(lacking)
    assert trial.wrong()


def test_a_retry_killed_at_any_commit_does_the_rest_once(
    world: Session, trials: Trials, chat: ChatServer, today: datetime
) -> None:
    with serving(answers(400)) as refusing:
        service = {"AI_BASE_URL": refusing.url, "AI_MODEL": "small"}
        for number in times(full=[*range(1, COMMITS + 1)], sample=[2]):
            trial = Killed(world, trials, chat, today, open_run(world, today))
            trials.run("work_off", environment=service)
            world.refresh(trial.run)
            assert trial.run.status == Status.FAILED
            commands.retry(world, trial.run, today - timedelta(seconds=5))
            world.commit()
            assert trials.dies("work_off", dies=f"after-commit:{number}", environment=trial.service)
            trial.heal()
            assert trial.wrong() == [], f"killed after-commit:{number}"


def test_a_worker_killed_between_many_runs_executes_each_once(
    world: Session, trials: Trials, today: datetime
) -> None:
    statements = [f"statement:{number}" for number in range(1, 25)]
    commits = [f"{side}-commit:{number}" for side in ("before", "after") for number in range(1, 4)]
    for point in times(
        full=[*statements, *commits], sample=["statement:9", "before-commit:3", "after-commit:3"]
    ):
        account = make_account(world, granted_at=datetime.now(UTC))
        sector = make_sector(world, make_site(world, account))
        keywords = [make_keyword(world, sector) for _ in range(3)]
        ago = today - timedelta(minutes=1)
        values = {"name": "Label", "trigger": "keyword_added", "actions": [LABEL]}
        rule = AutomationService().create_rule(world, account, values, Actor(None), ago)
        for keyword in keywords:
            AutomationService().execute(world, rule, Actor(None), ago, record_ids=[keyword.id])
        world.commit()
        assert trials.dies("work_off", dies=point)
        expire_leases(world, today)
        trials.run("heal")
        world.rollback()
        states = select(ScheduledTask.status).where(ScheduledTask.account_id == account.id)
        labels = select(Keyword.labels).where(Keyword.account_id == account.id)
        assert world.scalars(states).all() == [Status.COMPLETED] * 3
        assert world.scalars(labels).all() == [["seen"]] * 3, point
        assert audit(world, today + timedelta(minutes=10)) == []
