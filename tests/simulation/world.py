"""A month of one seed: people, workers, a sweep and a clock, all at random, on a real database.

Time jumps from one instant at which something can happen to the next. Sweeps in between would find nothing,
so they are left out; what a sweep is needed for, it does up to 15 seconds late.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import Engine, func, or_, select
from sqlalchemy.orm import Session, sessionmaker

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services import attention, rule_engine
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.draining.at_once import AtOnce
from app.business.automation.services.draining.drain import drain
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.runs import recovery, waiting
from app.business.automation.services.runs.lease import LEASE
from app.business.automation.services.triggering import planning
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.small_batches import Taken
from app.business.base import UtcDateTime
from app.business.billing.services.replenishment import replenish_monthly_credits
from app.business.events import EVENTS_QUEUE, EventBatch
from tests.factories import make_account, make_plan, make_sector, make_site
from tests.simulation.crashes import Chances, Connection, Killed, Process, Provider
from tests.simulation.people import ME, Person, lift_all_limits
from tests.simulation.rules import ZONES, random_rule

STARTS = ("2026-10-20", "2026-11-24", "2027-02-15", "2027-03-10")
"""Months that hold a clock change, a month's end, and the end of February."""
JUMPS = (timedelta(hours=2), -timedelta(hours=2), timedelta(days=1), -timedelta(seconds=30))
BETWEEN_ACTS = timedelta(hours=24)
MOST_STEPS = 1500


_PENDING = (ScheduledTask.status == Status.PENDING) & or_(
    ScheduledTask.waiting_for.is_(None), ScheduledTask.waiting_for.in_([Waiting.DAY, Waiting.BUDGET])
)
NEEDS = select(
    select(func.min(func.coalesce(ScheduledTask.not_before, ScheduledTask.scheduled_at, type_=UtcDateTime())))
    .where(_PENDING)
    .scalar_subquery(),
    select(func.min(ScheduledTask.lease_until))
    .where(ScheduledTask.status == Status.RUNNING)
    .scalar_subquery(),
    select(func.min(AutomationRule.unplanned_from)).scalar_subquery(),
    select(func.min(EventBatch.closed_at)).where(EventBatch.dispatched_at.is_(None)).scalar_subquery(),
)
"""The earliest instant of each thing that a sweep attends to."""


class Broken(BaseException):
    """Something failed that may not, seen from inside another process."""


class World:
    """Everything one seed decides about. `now` is the machine's clock, `elapsed` the time that really passed."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.sessions, self.rng = sessionmaker(engine, expire_on_commit=False), Random(seed)
        self.chances = Chances(self.rng)
        self.provider = Provider(self.chances, self.pass_seconds)
        self.now = datetime.fromisoformat(self.rng.choice(STARTS)).replace(tzinfo=UTC)
        self.elapsed = timedelta()
        self.jobs: list[str] = []
        self.alarms: set[tuple[datetime, str]] = set()
        self.trail: deque[str] = deque(maxlen=40)
        self.asleep = False
        self.steps = self.retries = 0
        self.next_act_at = self.elapsed
        self._found()

    def _found(self) -> None:
        with self.sessions() as session:
            plan = make_plan(session, monthly_credits=self.rng.choice([40, 150, 600]))
            for _ in range(self.rng.choice([1, 1, 2])):
                account = make_account(session, credits=0, plan=plan, timezone=self.rng.choice(ZONES))
                account.daily_ceiling = self.rng.choice([None, None, 12])
                for _ in range(self.rng.choice([1, 2])):
                    make_sector(session, make_site(session, account))
                for _ in range(self.rng.randint(2, 3)):
                    data = random_rule(self.rng)
                    data["name"] = free_name(session, account.id, data["name"])
                    AutomationService().create_rule(session, account, data, ME, self.now)
            session.commit()

    # Time

    def clock(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.elapsed += timedelta(seconds=seconds)
        self.now += timedelta(seconds=seconds)

    def note(self, what: str) -> None:
        self.trail.append(f"{self.now:%d %b %H:%M:%S} {what}")

    # What a process meets outside itself

    def send(self, session: Session) -> None:
        wishes, alarms = session.info.pop("wake", set()), session.info.pop("alarms", set())
        for queue in sorted(wishes):
            self.jobs += [queue] * self._copies()
        for alarm in sorted(alarms):
            if self._copies():
                self.alarms.add(alarm)

    def _copies(self) -> int:
        if self.chances.happens(self.chances.lose):
            return 0
        return 2 if self.chances.happens(self.chances.repeat) else 1

    def stall(self, where: str) -> None:
        if self.asleep:
            return
        self.asleep = True
        self.note(where)
        try:
            self._go_on_without_it()
        except Exception as error:
            # The sleeper must not take what breaks meanwhile for a failure of its own work.
            raise Broken(f"{type(error).__name__}: {error}") from error
        self.note("it woke up again")
        self.asleep = False

    def _go_on_without_it(self) -> None:
        self.pass_seconds(self.rng.uniform(1, 200))
        self.sweep()
        while self.jobs and self.rng.random() < 0.9:
            self.work_off_a_job()
        if self.rng.random() < 0.3:
            self.someone_acts()

    # Processes

    def run(self, name: str, work: Callable[[Process], None]) -> None:
        process = Process(name, self.sessions(), self)
        try:
            work(process)
        except Killed as end:
            self.note(str(end))
        finally:
            process.session.close()

    def sweep(self) -> None:
        self.note("sweep")
        self.run("the sweep", self._sweep)

    def _sweep(self, process: Process) -> None:
        recovery.rescue(process.transaction, self.clock)
        _dispatch(process, self.now)
        planned = planning.plan(process.transaction, self.now)
        assert not planned.failed, f"rules that cannot be planned: {planned.failed}"
        granted = replenish_monthly_credits(process.transaction, self.now)
        assert not granted.failed, f"accounts without their credits: {granted.failed}"
        with process.transaction() as session:
            waiting.wake_what_is_due(session, self.now)
        with process.transaction() as session:
            self.jobs += attention.overdue_queues(session, self.now)
            self.alarms.update(attention.coming_instants(session, self.now))

    def work_off_a_job(self) -> None:
        queue = self.jobs.pop(self.rng.randrange(len(self.jobs)))
        self.note(f"work on {queue}")
        self.run(f"the worker of {queue}", lambda process: self._drain(process, queue))

    def _drain(self, process: Process, queue: str) -> None:
        works = make_works(Connection(process, self.provider))
        executor = ActionExecutor(process.transaction, works, self.clock, lambda: self.chances.happens(0.003))
        engine = rule_engine.RuleEngine(
            process.transaction, executor, self.clock, lambda _lease: nullcontext(), process.name
        )
        pace = Pace(timer=lambda: 0.0)
        taken = Taken(AtOnce(works, process.name, self.clock, pace))
        if queue == EVENTS_QUEUE:
            _dispatch(process, self.now, taken)
        drain(engine, queue, most_runs=100, most_seconds=500, pace=pace, first=taken.reservation)

    def someone_acts(self) -> None:
        self.run("a web process", self._act)

    def _act(self, process: Process) -> None:
        with process.transaction() as session:
            done = Person(session, self.rng, self.now).act()
        self.note(done)
        self.retries += done.startswith("retry_run")

    # The course of time

    def days(self, days: int) -> Iterator[None]:
        """Simulate so many days, stopping after each step so that the world can be checked."""
        until = self.elapsed + timedelta(days=days)
        while self.elapsed < until:
            self.steps += 1
            assert self.steps < MOST_STEPS, "the world does not come to rest"
            self._step()
            yield

    def quiet_days(self, days: int) -> Iterator[None]:
        """Nothing breaks, nobody acts, and nothing has a reason to wait any more."""
        self.chances.quiet = True
        with self.sessions() as session:
            lift_all_limits(session, self.now)
            session.commit()
        self.next_act_at = timedelta.max
        yield from self.days(days)

    def _step(self) -> None:
        self._misfortune()
        if self.jobs:
            self.work_off_a_job()
            return
        wait = self._next_instant() - self.now
        act_in = self.next_act_at - self.elapsed
        if act_in <= wait:
            self.pass_seconds(max(act_in.total_seconds(), 0))
            self.someone_acts()
            self.next_act_at = self.elapsed + BETWEEN_ACTS * self.rng.expovariate(1)
            return
        self.pass_seconds(max(wait.total_seconds(), 0))
        if not self._ring():
            self.sweep()

    def _misfortune(self) -> None:
        if self.chances.happens(0.01):
            jump = self.rng.choice(JUMPS)
            self.note(f"the clock jumps by {jump.total_seconds() / 3600:+.2f} h")
            self.now += jump
        if self.chances.happens(0.01):
            self.note("the machine is off for a while")
            self.pass_seconds(self.rng.uniform(0.1, 40) * 3600)
            # The web is back before the sweep is.
            self.someone_acts()
        if self.chances.happens(0.01):
            self.note("the queues are lost")
            self.jobs, self.alarms = [], set()

    def _ring(self) -> bool:
        due = sorted(alarm for alarm in self.alarms if alarm[0] <= self.now)
        self.alarms.difference_update(due)
        self.jobs += [queue for _, queue in due]
        return bool(due)

    def _next_instant(self) -> datetime:
        """The next alarm, or the next sweep that finds something to do."""
        with self.sessions() as session:
            begins_at, lease_until, unplanned_from, closed_at = session.execute(NEEDS).one()
        if lease_until and lease_until > self.now + 2 * LEASE:
            lease_until = self.now
        plan_at = unplanned_from and unplanned_from - self.rng.random() * planning.WINDOW
        month = (self.now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(day=1)
        needs = [begins_at, lease_until, plan_at, closed_at, month, self.now + timedelta(hours=20)]
        sweep_at = max(min(need for need in needs if need), self.now)
        sweep_at += timedelta(seconds=self.rng.uniform(1, 15))
        return min([sweep_at, *(max(at, self.now) for at, _ in self.alarms)])


def _dispatch(process: Process, now: datetime, taken: Taken | None = None) -> None:
    while True:
        delivered = dispatch_batches(process.transaction, now, taken=taken)
        assert not delivered.failures, "a batch of events could not be handed out"
        if not delivered.batches:
            return
