"""Processes that die or hang at their commits, and a provider that fails, forgets and is slow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from sqlalchemy.orm import Session

from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.infrastructure.ai.offline import OfflineModel


class Killed(BaseException):
    """The process is killed, as by a power cut: none of its own handlers may act on this."""


@dataclass
class Chances:
    """How likely each fault is, each time it could happen. In a quiet period none does."""

    rng: Random
    kill: float = 0.02
    stall: float = 0.02
    lose: float = 0.15
    repeat: float = 0.1
    passing: float = 0.1
    final: float = 0.04
    lost_answer: float = 0.04
    quiet: bool = False

    def happens(self, chance: float) -> bool:
        return not self.quiet and self.rng.random() < chance


class Surroundings(Protocol):
    """What a process meets outside itself."""

    chances: Chances

    def stall(self, where: str) -> None:
        """Time advances while the process hangs, for longer than its leases last."""

    def send(self, session: Session) -> None:
        """Send the wake-ups of a committed transaction to the queues."""


class Process:
    """One process: its own session, and nothing of it is left when it is killed."""

    def __init__(self, name: str, session: Session, world: Surroundings) -> None:
        self.name, self.session, self.world = name, session, world

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """As in production, with a crash point on each side of the commit."""
        try:
            yield self.session
            self.may_die("before a commit")
            self.session.commit()
        except BaseException:
            self.session.rollback()
            self.session.info.clear()
            raise
        self.may_die("after a commit")
        self.world.send(self.session)
        self.may_stall("after a commit")

    def may_die(self, where: str) -> None:
        if self.world.chances.happens(self.world.chances.kill):
            raise Killed(f"{self.name} died {where}")

    def may_stall(self, where: str) -> None:
        if self.world.chances.happens(self.world.chances.stall):
            self.world.stall(f"{self.name} fell asleep {where}")


@dataclass
class Provider:
    """The AI service of all processes. It honours keys: the same key is the same work, done once."""

    chances: Chances
    pass_seconds: Callable[[float], None]
    answers: dict[str, Completion] = field(default_factory=dict)

    def answer(self, prompt: Prompt, key: str) -> Completion:
        self.pass_seconds(self.chances.rng.uniform(0, 20))
        self._may_fail(self.chances.passing, "server_error")
        self._may_fail(self.chances.final, "refused")
        if key not in self.answers:
            self.answers[key] = OfflineModel().write(prompt, key)
        self._may_fail(self.chances.lost_answer, "timeout")
        return self.answers[key]

    def _may_fail(self, chance: float, kind: FaultKind) -> None:
        if self.chances.happens(chance):
            raise ProviderFault(kind, "The AI service did not answer.")


@dataclass(frozen=True)
class Connection:
    """A process's connection to the provider, with a crash point on each side of the call."""

    process: Process
    provider: Provider

    def write(self, prompt: Prompt, key: str) -> Completion:
        self.process.may_die("before the provider was asked")
        answer = self.provider.answer(prompt, key)
        self.process.may_die("after the provider answered")
        self.process.may_stall("after the provider answered")
        return answer
