"""Trials of runs executed together: worlds lived through both ways, and workers that die or do not roll back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import RunAttempt, Status
from app.infrastructure.database import db
from tests.business.automation.held_world import Killed
from tests.business.automation.machine import Machine
from tests.business.automation.runs.batch_world import BatchWorld, everything
from tests.business.automation.runs.paid_world import PaidWorld
from tests.business.automation.runs.test_engine_cost import TRANSACTION_WORDS


def whole_life(world: BatchWorld | PaidWorld) -> dict[str, list[str]]:
    """All rows at the end of the world."""
    world.live()
    assert world.breaches() == []
    assert not world.runs(Status.RUNNING)
    if world.together is None:
        assert world.as_set, f"{world.singly} runs singly after a failed set"
    rows = everything(world.session)
    world.session.rollback()
    world.session.expunge_all()
    return rows


def attempts(machine: Machine) -> int:
    return machine.session.scalar(select(func.count(RunAttempt.id))) or 0


@contextmanager
def killed_at(point: int, *, for_good: bool = False) -> Iterator[None]:
    """The process dies before the statement of that number, from 1. for_good: nothing is executed from then on, for
    what is killed within a savepoint would end as an ordinary error, and be undone."""
    passed = count(1)

    def kill(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(TRANSACTION_WORDS):
            return
        number = next(passed)
        if number == point or (for_good and number > point):
            raise Killed

    event.listen(db.engine, "before_cursor_execute", kill)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", kill)


def never_rolled_back(machine: Machine) -> Callable[[], AbstractContextManager[Session]]:
    """Transactions of a broken build: what failed stays as far as it came."""

    @contextmanager
    def keeping() -> Iterator[Session]:
        try:
            yield machine.session
        finally:
            machine.session.commit()

    return keeping
