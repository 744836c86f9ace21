"""A machine that executes runs of events in the transaction that opens them, and what its tests give it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunAttempt
from app.business.automation.services.draining.at_once import AtOnce
from app.business.automation.services.draining.pace import Pace
from app.business.automation.services.runs.reservations import RESERVED_FOR
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.services.triggering.small_batches import Taken
from app.business.events import EventBatch
from app.business.planner.models import Keyword, Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL, import_texts


@dataclass
class Prompt(Machine):
    """Executes runs of events at once. pace: what it has learnt · failed: runs that were opened after all, in the last
    dispatch · cause: why."""

    pace: Pace = field(default_factory=lambda: Pace(timer=lambda: 0.0))
    failed: int = 0
    cause: Exception | None = None

    def dispatch(self) -> None:
        at_once = AtOnce(self.engine.executor.works, "test", self.clock, self.pace)
        done = dispatch_batches(self.transaction, self.now, taken=Taken(at_once))
        assert not done.failures
        self.failed, self.cause = at_once.failed, at_once.cause

    def settle(self, rounds: int = 50) -> None:
        # Runs of small batches are reserved for whoever has dispatched them.
        self.now += RESERVED_FOR + timedelta(seconds=1)
        super().settle(rounds)
        for _ in range(rounds):
            if not self._has_batches():
                return
            # A passing fault, or a lock of one that is just ending, leaves a batch for the next round.
            super().settle(rounds)
        raise AssertionError("batches are not dispatched")

    def _has_batches(self) -> bool:
        left = EventBatch.closed_at.is_not(None), EventBatch.dispatched_at.is_(None)
        return self.session.scalar(select(EventBatch.id).where(*left).limit(1)) is not None

    def ends(self) -> list[str]:
        return [run.status for run in self.runs()]

    def labelled(self) -> int:
        """Number of labelled keywords, each in its second version: labelled once."""
        return sum("seen" in row.labels and row.version == 2 for row in self.session.scalars(select(Keyword)))

    def attempts(self) -> int:
        return self.session.scalar(select(func.count(RunAttempt.id))) or 0


def make_labelling(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    usual = {"actions": [LABEL], "batching": "each", "max_executions_per_day": 1000}
    return machine.make_rule(account, **usual | values)


def add(machine: Machine, sector: Sector, texts: list[str]) -> None:
    import_texts(machine.session, sector, texts)
    machine.session.commit()


def lamps(number: int, name: str = "lamp") -> list[str]:
    return [f"{name} {place}" for place in range(number)]
