"""Workers that die while they hold records, in the test's own process: their runs stay as after a power failure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.handler import Work
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs import recovery
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import Step
from app.business.automation.services.runs.unit_receipts import Unit
from app.business.errors import Conflict
from tests.business.automation.machine import Machine

Chance = Callable[[], bool]


def never() -> bool:
    return False


class Killed(BaseException):
    """The process is killed: none of its own handlers acts on this."""


class DyingExecutor(ActionExecutor):
    """Dies before it plans a step, on a chosen call."""

    dies: Chance

    def _plan(self, session: Session, context: RunContext, step: Step, *others: Any) -> list[Unit]:
        if self.dies():
            raise Killed
        return super()._plan(session, context, step, *others)


@dataclass
class FailingWork:
    """An action's work that fails on a chosen call."""

    own: Work
    fails: Chance

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any:
        return self.own.read(session, context, unit)

    def work(self, request: Any, key: str) -> Any:
        return self.own.work(request, key)

    def give_up(self, session: Session, context: RunContext, unit: Unit) -> None:
        self.own.give_up(session, context, unit)

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Any) -> Any:
        if self.fails():
            raise Conflict("Not this time.")
        return self.own.save(session, context, unit, answer)


@dataclass
class DyingMachine(Machine):
    """Workers that die with their run, and actions that fail, on demand."""

    dies: Chance = never
    fails: Chance = never
    together: bool | None = False
    """A run that dies alone leaves its claim behind, and so its records held."""

    @property
    def engine(self) -> RuleEngine:
        engine = super().engine
        works = {name: FailingWork(work, self.fails) for name, work in make_works(self.model).items()}
        engine.executor = DyingExecutor(self.transaction, works, self.clock, never)
        engine.executor.dies = self.dies
        return engine

    def look_around(self, rounds: int = 50) -> None:
        """Other workers continue where one has died, until nothing is due."""
        self.session.commit()
        for _ in range(rounds):
            try:
                if self.look() == 0:
                    return
            except Killed:
                continue
        raise AssertionError("the machine does not come to rest")

    def sweep(self) -> None:
        """The sweep of every 15 seconds, and the jobs it wakes."""
        recovery.rescue(self.transaction, self.clock)
        self.look_around()
