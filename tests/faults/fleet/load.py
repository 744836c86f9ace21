"""A load whose outcome is known beforehand: everything requested is recorded here, and counted again at the end.

A schedule rule for each of many instants, half of them paid; an event rule that follows each of those with tasks and
articles; an event rule that makes a task of each new keyword; and a rule that runs every minute.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.auditing import invariants
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditEntry
from app.business.events import EventBatch, Origin
from app.business.planner.models import Idea, Keyword, Sector
from app.business.planner.services.keyword_service import add_keyword
from app.business.writer.models import Content, Task
from app.infrastructure.database import only_reading, transaction
from tests.factories import make_account, make_cluster, make_keyword, make_plan, make_sector, make_site
from tests.faults.fleet.provider import CALLS_OF_AN_ARTICLE, Provider
from tests.simulation.invariants import AT_ALL_TIMES, AT_THE_END

ME = Actor(None)
CLUSTERS, IDEAS, KEYWORDS = 2, 2, 2
NOTIFY = {"type": "notify", "params": {"message": "It is time"}}
MAKE_IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": IDEAS}}
MAKE_TASKS = {"type": "create_tasks", "params": {"word_count": 100}}
WRITE = {"type": "generate_content"}
TASK_OF_KEYWORD = {"type": "create_record", "params": {"type": "task", "title": "Write about {text}"}}
GENEROUS = {"max_executions_per_day": 100_000, "credit_limit_per_execution": 1000}
NEEDS_ITS_OWN_WATCH = "legal moves of a run"
OPEN = (Status.PENDING, Status.RUNNING)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Load:
    """`due`: rule id and the one instant at which it shall run; `ticks`: those of them that are free of charge."""

    provider: Provider
    account_id: int = 0
    sector_id: int = 0
    every_minute: int = 0
    articles_of_an_idea: int = 0
    since: datetime = field(default_factory=utc_now)
    due: dict[int, datetime] = field(default_factory=dict)
    ticks: set[int] = field(default_factory=set)
    clusters: list[int] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    retried: int = 0
    until: datetime = field(default_factory=utc_now)
    numbers: Any = field(default_factory=lambda: count(1))

    def found(self, *, standing: bool) -> None:
        """The account and, unless only single runs are wanted, its standing rules."""
        with transaction() as session:
            plan = make_plan(session, shortest_interval_minutes=1)
            account = make_account(session, credits=1_000_000, plan=plan)
            sector = make_sector(session, make_site(session, account))
            self.account_id, self.sector_id = account.id, sector.id
        if standing:
            self.make_rule(name="Tasks of keywords", trigger="keyword_added", actions=[TASK_OF_KEYWORD])
            self.make_rule(name="Articles of ideas", trigger="idea_created", actions=[MAKE_TASKS, WRITE])
            self.since = utc_now()
            minutely = {"trigger": "schedule", "schedule": {"cron": "* * * * *"}, "overlap": "allow"}
            self.every_minute = self.make_rule(name="Every minute", actions=[NOTIFY], **minutely)
            self.articles_of_an_idea = 1

    def make_rule(self, **values: Any) -> int:
        with transaction() as session:
            return self._rule(session, values, utc_now()).id

    def _rule(self, session: Session, values: dict[str, Any], now: datetime) -> AutomationRule:
        account = session.get_one(Account, self.account_id)
        data = GENEROUS | values
        data["name"] = free_name(session, account.id, data["name"])
        return AutomationService().create_rule(session, account, data, ME, now)

    def feed(self, seconds: float = 2) -> None:
        """One portion of everything, due so many seconds from now."""
        self.add_keywords()
        self.add_paid_rule(seconds)
        self.add_tick(seconds)

    def add_keywords(self) -> None:
        with transaction() as session:
            sector = session.get_one(Sector, self.sector_id)
            for _ in range(KEYWORDS):
                name = f"fault {next(self.numbers)}"
                add_keyword(session, sector, {"text": name}, origin=Origin(self.account_id), now=utc_now())
                self.keywords.append(name)

    def add_paid_rule(self, seconds: float) -> int:
        """Ideas for two clusters of its own."""
        with transaction() as session:
            home = session.get_one(Sector, self.sector_id)
            sector = Sector(
                account_id=home.account_id, site_id=home.site_id, name=f"Place {next(self.numbers)}",
                created_at=utc_now(), updated_at=utc_now(),
            )  # fmt: skip
            session.add(sector)
            session.flush()
            for _ in range(CLUSTERS):
                cluster = make_cluster(session, sector)
                make_keyword(session, sector, cluster_id=cluster.id, status="clustered")
                self.clusters.append(cluster.id)
        return self._due(seconds, site=sector.site_id, sector=sector.id, actions=[MAKE_IDEAS])

    def add_tick(self, seconds: float) -> int:
        rule_id = self._due(seconds, actions=[NOTIFY], record_type=None)
        self.ticks.add(rule_id)
        return rule_id

    def add_ticks_at_once(self, count: int, seconds: float) -> None:
        """All due in the same second."""
        at = utc_now() + timedelta(seconds=seconds)
        for _ in range(count):
            self.ticks.add(self._due((at - utc_now()).total_seconds(), actions=[NOTIFY], record_type=None))

    def _due(self, seconds: float, **values: Any) -> int:
        """A rule for the first whole second at least so many seconds from now."""
        with transaction() as session:
            # Seen from inside the transaction: whoever waits for the database does not save it too late.
            session.get_one(Account, self.account_id)
            now = utc_now()
            at = (now + timedelta(seconds=seconds)).replace(microsecond=0) + timedelta(seconds=1)
            schedule = {"trigger": "schedule", "schedule": {"at": at.isoformat()}}
            # Saved as of the same moment: a slow machine does not find its time passed meanwhile.
            rule = self._rule(session, {"name": f"Once {next(self.numbers)}"} | schedule | values, now)
            self.due[rule.id] = at
            return rule.id

    # What has become of it

    def at_work(self) -> dict[int, int]:
        """Process id of a work-horse -> the run that it works on just now."""
        with only_reading(), transaction() as session:
            query = select(ScheduledTask.worker, ScheduledTask.id).where(
                ScheduledTask.status == Status.RUNNING, ScheduledTask.queue == LONG_QUEUE
            )
            return {int(worker.rpartition("-")[2]): run_id for worker, run_id in session.execute(query)}

    def is_settled(self) -> bool:
        """Nothing that is due is open any more.

        What was given up after three rescues is retried, as a person would.
        """
        with transaction() as session:
            lost = session.scalars(
                select(ScheduledTask).where(
                    ScheduledTask.status == Status.FAILED, ScheduledTask.reason == Reason.WORKER_LOST
                )
            ).all()
            for run in lost:
                if "3 times" in run.error_message:
                    commands.retry(session, run, utc_now())
                    self.retried += 1
        self.until = utc_now()
        with only_reading(), transaction() as session:
            all_due = self.until > max(self.due.values(), default=self.since)
            return all_due and self._is_planned(session) and not _still_open(session, self.until)

    def done(self) -> int:
        """How far it is: ended runs and finished units of what comes to an end (the minutes go on for ever)."""
        ended = select(func.count(ScheduledTask.id)).where(
            ScheduledTask.status.not_in(OPEN), ScheduledTask.automation_rule_id != self.every_minute
        )
        units = (
            select(func.count(ActionRun.id))
            .join(ScheduledTask, ScheduledTask.id == ActionRun.run_id)
            .where(ActionRun.status == "done", ScheduledTask.automation_rule_id != self.every_minute)
        )
        with only_reading(), transaction() as session:
            return sum(session.scalar(counted) or 0 for counted in (ended, units))

    def _is_planned(self, session: Session) -> bool:
        with_row = select(func.count(ScheduledTask.automation_rule_id.distinct()))
        return session.scalar(with_row.where(ScheduledTask.automation_rule_id.in_(self.due))) == len(self.due)

    def problems(self) -> list[str]:
        """Everything that was lost, duplicated, or does not add up; empty when all is as requested."""
        with only_reading(), transaction() as session:
            found = [*self._occurrences(session), *self._effects(session), *self._credits(session)]
            found += [
                f"audit: {breach.name}: {breach.rows}" for breach in invariants.audit(session, utc_now())
            ]
            for name, query in (AT_ALL_TIMES | AT_THE_END).items():
                if name != NEEDS_ITS_OWN_WATCH and (rows := session.execute(text(query)).all()):
                    found.append(f"{name}: {rows[:5]}")
            found += self._attempts(session)
            found += [f"still open: {run}" for run in _still_open(session, self.until)]
            return found

    def _occurrences(self, session: Session) -> list[str]:
        runs: dict[int, list[Any]] = {}
        query = select(
            ScheduledTask.automation_rule_id,
            ScheduledTask.scheduled_at,
            ScheduledTask.status,
            ScheduledTask.error_message,
        ).where(ScheduledTask.cause == Cause.SCHEDULE)
        for rule_id, *run in session.execute(query):
            runs.setdefault(rule_id, []).append(run)
        found = [
            f"rule {rule_id}, due once at {at}: {runs.get(rule_id, [])}"
            for rule_id, at in self.due.items()
            if [run[:2] for run in runs.get(rule_id, [])] != [[at, Status.COMPLETED]]
        ]
        planned = Counter(at for at, _, _ in runs.get(self.every_minute, []))
        found += [f"every minute: {number} rows for {at}" for at, number in planned.items() if number != 1]
        done = Counter(at for at, status, _ in runs.get(self.every_minute, []) if status == Status.COMPLETED)
        minute = self.since.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while self.every_minute and minute <= self.until:
            if done[minute] != 1:
                found.append(f"every minute: {done[minute]} completed runs for {minute}")
            minute += timedelta(minutes=1)
        ended = select(
            ScheduledTask.id, ScheduledTask.reason, ScheduledTask.error_message, RunDetail.error_detail
        ).join(RunDetail, RunDetail.run_id == ScheduledTask.id)
        bad = session.execute(ended.where(ScheduledTask.status.in_([Status.FAILED, Status.SKIPPED]))).all()
        return found + [f"not completed: {row}" for row in bad]

    def _attempts(self, session: Session) -> list[str]:
        """Every completed run was completed by one attempt, and no attempt is left behind."""
        completed, left = Counter[int](), Counter[int]()
        for run_id, status in session.execute(select(RunAttempt.run_id, RunAttempt.status)):
            completed[run_id] += status == Status.COMPLETED
            left[run_id] += status == Status.RUNNING
        found = [
            f"run {run_id} was completed {number} times" for run_id, number in completed.items() if number > 1
        ]
        ended = select(ScheduledTask.id).where(ScheduledTask.status == Status.COMPLETED)
        return found + [
            f"run {key} has an attempt without an end" for key in session.scalars(ended) if left[key]
        ]

    def _effects(self, session: Session) -> list[str]:
        ideas = Counter(session.scalars(select(Idea.cluster_id)))
        tasks = Counter(session.scalars(select(Task.idea_id).where(Task.idea_id.is_not(None))))
        articles = Counter(
            session.scalars(
                select(Task.idea_id)
                .join(Content, Content.task_id == Task.id)
                .where(Task.idea_id.is_not(None))
            )
        )
        written = Counter(session.scalars(select(Task.title).where(Task.idea_id.is_(None))))
        found = [f"cluster {key} has {ideas[key]} ideas" for key in self.clusters if ideas[key] != IDEAS]
        found += [
            f"idea {key} has {tasks[key]} tasks and {articles[key]} articles"
            for key in session.scalars(select(Idea.id))
            if not tasks[key] == articles[key] == self.articles_of_an_idea
        ]
        found += [
            f"keyword “{name}” has {written[f'Write about {name}']} tasks"
            for name in self.keywords
            if written[f"Write about {name}"] != 1
        ]
        known = session.scalar(select(func.count()).select_from(Keyword).where(Keyword.text.like("fault %")))
        return found + ([f"{known} keywords of {len(self.keywords)}"] if known != len(self.keywords) else [])

    def _credits(self, session: Session) -> list[str]:
        charges = session.scalars(select(CreditEntry.amount).where(CreditEntry.kind == "charge")).all()
        clusters = len(self.clusters)
        articles = clusters * IDEAS * self.articles_of_an_idea
        found = []
        if (len(charges), -sum(charges)) != (clusters + articles, 5 * clusters + articles):
            found.append(f"{len(charges)} charges of {-sum(charges)} credits in all")
        calls = clusters + articles * CALLS_OF_AN_ARTICLE
        if len(self.provider.asked) != calls:
            found.append(f"{len(self.provider.asked)} pieces of work were asked for, {calls} are there")
        return found

    def lateness(self) -> list[float]:
        """Seconds from the planned time to the start of each free run, in order."""
        with only_reading(), transaction() as session:
            query = select(ScheduledTask.scheduled_at, ScheduledTask.started_at).where(
                ScheduledTask.automation_rule_id.in_(self.ticks), ScheduledTask.started_at.is_not(None)
            )
            return sorted((started - due).total_seconds() for due, started in session.execute(query))

    def counts(self) -> str:
        """How much there was."""
        with only_reading(), transaction() as session:
            runs, attempts = session.execute(
                select(func.count(), func.sum(ScheduledTask.attempt)).where(
                    ScheduledTask.status == Status.COMPLETED
                )
            ).one()
        again = f", {self.retried} retried by hand" if self.retried else ""
        return (
            f"{runs} runs in {attempts} attempts{again}; {len(self.provider.asked)} pieces of paid work, "
            f"{self.provider.repeated} calls absorbed by their key"
        )


def _still_open(session: Session, until: datetime) -> list[str]:
    run = ScheduledTask
    query = select(run.id, run.cause, run.status, run.waiting_for, run.attempt, run.worker).where(
        run.status.in_(OPEN), run.scheduled_at <= until
    )
    batches = select(EventBatch.id, EventBatch.type, EventBatch.closed_at, EventBatch.error).where(
        EventBatch.dispatched_at.is_(None), EventBatch.created_at <= until
    )
    return [f"run {tuple(row)}" for row in session.execute(query)] + [
        f"batch {tuple(row)}" for row in session.execute(batches)
    ]
