"""A chaos trial: a load, real processes, and faults at random moments; at its end everything must be as requested."""

import os
import signal
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis

from app import create_app
from app.infrastructure.database import db
from app.infrastructure.messaging import heartbeats
from app.settings import Settings
from tests import databases
from tests.faults.fleet.load import Load, utc_now
from tests.faults.fleet.processes import BRISK, FLEET, Fleet, Member, QueueServer
from tests.faults.fleet.provider import answering
from tests.processes import clean_environment, eventually

SECRET = "a-key-that-only-the-trials-use-0123456789"
LONGEST_REST = 900
"""Seconds in which even the backlog of the longest trial is worked off."""

SEED = int(os.environ.get("SEED", "1"))


@dataclass
class ChaosTrial:
    """One installation of one trial, and the faults it gets. `pause`: seconds between two acts, from and to."""

    fleet: Fleet
    queue: QueueServer
    load: Load
    rng: Random
    pause: tuple[float, float] = (0.2, 0.8)
    acts: Counter[str] = field(default_factory=Counter)
    trail: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    ended_in: list[float] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.trail.append(f"{utc_now():%H:%M:%S.%f} {what}")

    def inject(self, acts: Sequence[Callable[["ChaosTrial"], bool]], times: int) -> None:
        """So many faults that had an effect, with a portion of load before each."""
        struck = 0
        while struck < times:
            self.load.feed()
            time.sleep(self.rng.uniform(*self.pause))
            for kind in self.fleet.replace_the_dead():
                self.note(f"{kind} started again")
            act = self.rng.choice(acts)
            if act(self):
                struck += 1
                self.acts[act.__name__] += 1

    def await_fleet(self) -> None:
        """Wait until every worker has sent a heartbeat, and a sweep has been done: from then on lateness counts."""
        workers = len(self.fleet.alive("clock", "worker"))
        with Redis.from_url(self.queue.url) as connection:
            eventually(
                lambda: (
                    heartbeats.last_heartbeat_at(connection, heartbeats.SWEEP)
                    and len(heartbeats.workers(connection, utc_now())) == workers
                ),
                within=120,
                what="the fleet is at work",
            )

    def await_work(self, within: float = 4) -> list[Member]:
        """Step workers that execute a run, as soon as there are any; none when none does for so long."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            at_work = self.load.at_work()
            busy = [member for member in self.fleet.alive("worker") if set(member.horses) & set(at_work)]
            if busy:
                return busy
            time.sleep(0.02)
        return []

    def settle(self, within: float = 120) -> bool:
        """Let everything settle with all processes; False when there is no progress for so many seconds."""
        last = time.monotonic() + LONGEST_REST
        until, done = time.monotonic() + within, self.load.done()
        while time.monotonic() < min(until, last):
            self.fleet.replace_the_dead()
            if self.load.is_settled():
                return True
            if (now_done := self.load.done()) > done:
                until, done = time.monotonic() + within, now_done
            time.sleep(0.1)
        return False

    def must_hold(self) -> None:
        """Fails the test with everything that helps to understand what went wrong."""
        if found := self.verdict():
            pytest.fail(found, pytrace=False)

    def verdict(self, within: float = 120) -> str:
        """What went wrong and how; empty when nothing was lost, duplicated or left over."""
        problems = [] if self.settle(within) else ["It does not come to rest."]
        if found := problems + self.load.problems():
            # A run of this very second may have been on its way.
            time.sleep(1)
            found = problems + self.load.problems()
        if not found:
            return ""
        lines = [*found[:30], f"SEED={SEED}, the last acts:", *self.trail, self.fleet.log()]
        return "\n".join(lines)


# The acts; each returns whether it had an effect.


def kill_horse(trial: ChaosTrial) -> bool:
    return _strike_a_worker(trial, "horse")


def kill_parent(trial: ChaosTrial) -> bool:
    return _strike_a_worker(trial, "parent")


def kill_worker_and_horse(trial: ChaosTrial) -> bool:
    return _strike_a_worker(trial, "both")


def _strike_a_worker(trial: ChaosTrial, to: str) -> bool:
    """One that executes a run; False when none does for a while."""
    busy = trial.await_work()
    if not busy:
        return False
    # Any moment of its work, not always the first.
    time.sleep(trial.rng.uniform(0, 0.2 + 2 * trial.load.provider.seconds))
    victim = trial.rng.choice(busy)
    trial.note(f"kill the {to} of worker {victim.pid} {victim.horses}")
    victim.send(signal.SIGKILL, to=to)
    return True


def kill_clock(trial: ChaosTrial) -> bool:
    return _kill_one(trial, "clock")


def kill_scheduler(trial: ChaosTrial) -> bool:
    return _kill_one(trial, "scheduler")


def _kill_one(trial: ChaosTrial, kind: str) -> bool:
    members = trial.fleet.alive(kind)
    if not members:
        return False
    victim = trial.rng.choice(members)
    trial.note(f"kill {kind} {victim.pid}")
    victim.send(signal.SIGKILL)
    return True


def pause_scheduler(trial: ChaosTrial) -> bool:
    """It is stopped for longer than its lock lasts, then continued."""
    members = trial.fleet.alive("scheduler")
    victim = trial.rng.choice(members)
    trial.note(f"pause scheduler {victim.pid}")
    victim.send(signal.SIGSTOP)
    time.sleep(trial.rng.uniform(2, 3))
    victim.send(signal.SIGCONT)
    return True


def flush(trial: ChaosTrial) -> bool:
    trial.note("flush the queue server")
    trial.queue.flush()
    return True


def kill_queue_server(trial: ChaosTrial) -> bool:
    """It comes back empty after a while."""
    before = _ids(trial.fleet)
    trial.note("kill the queue server")
    trial.queue.kill()
    time.sleep(trial.rng.uniform(0, 2))
    trial.queue.start()
    trial.note("the queue server is back")
    if _ids(trial.fleet) != before:
        trial.note(f"of {before} only {_ids(trial.fleet)} outlived it")
        trial.acts["processes that did not outlive the queue server"] += 1
    return True


def deploy(trial: ChaosTrial) -> bool:
    """All stop while a run is being worked on, and start again."""
    if not trial.await_work():
        return False
    kinds = Counter(member.kind for member in trial.fleet.alive())
    trial.note("deploy")
    trial.ended_in.append(trial.fleet.stop_all())
    trial.note(f"all ended after {trial.ended_in[-1]:.2f} s")
    trial.fleet.start_all(kinds)
    return True


def _ids(fleet: Fleet) -> list[int]:
    return [member.pid for member in fleet.alive()]


KILLS = (kill_horse, kill_parent, kill_worker_and_horse, kill_clock, kill_scheduler)


@dataclass
class Site:
    """Where a trial is executed: an empty database, a folder, and the fork server."""

    fork_server: subprocess.Popen[str]
    database_url: str
    folder: Path

    @contextmanager
    def chaos_trial(
        self,
        *,
        fleet: Mapping[str, int] = FLEET,
        pace: Mapping[str, float] = BRISK,
        plant: str = "",
        provider_seconds: float = 0.05,
        standing: bool = True,
    ) -> Iterator[ChaosTrial]:
        """A running installation and a load on it that has been founded."""
        queue = QueueServer()
        queue.start()
        logs = self.folder / "logs"
        logs.mkdir()
        app = create_app(self._settings(queue.url), web=False)
        try:
            with app.app_context(), answering(provider_seconds) as provider:
                databases.create_schema(app)
                processes = Fleet(
                    self.fork_server, self._environment(queue.url, provider.url), logs, pace, plant
                )
                trial = ChaosTrial(processes, queue, Load(provider), Random(SEED))
                trial.load.found(standing=standing)
                try:
                    processes.start_all(fleet)
                    yield trial
                finally:
                    processes.stop_all(within=5)
        finally:
            _let_go(app)
            queue.remove()

    def _settings(self, redis_url: str) -> Settings:
        return Settings(
            database_url=self.database_url,
            redis_url=redis_url,
            secret_key=SecretStr(SECRET),
            data_dir=self.folder,
        )

    def _environment(self, redis_url: str, ai_url: str) -> dict[str, str]:
        return clean_environment(
            DATABASE_URL=self.database_url,
            REDIS_URL=redis_url,
            SECRET_KEY=SECRET,
            DATA_DIR=str(self.folder),
            AI_BASE_URL=ai_url,
            AI_MODEL="trial",
            TZ="Asia/Kathmandu",
        )


def _let_go(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
