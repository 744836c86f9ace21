"""Operations: taken once, monitored, cancelled, handed back, taken again after a lost worker, finally given up."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.operation_models import Operation
from app.business.automation.services.attention import overdue_queues
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.lifecycle import OperationRequest, Progress
from app.business.errors import Conflict, Invalid, NotFound
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_account


def ask(session: Session, kind: str = "count", **params: Any) -> Operation:
    account = make_account(session)
    operation = lifecycle.begin_operation(
        session, account_id=account.id, kind=kind, params=params, user_id=None, sites=(), now=NOW
    )
    session.commit()
    return operation


def execute(
    machine: Machine, work: Callable[[OperationRequest, Progress], dict[str, Any]], **more: Any
) -> bool:
    def handler(
        _transaction: Any, asked: OperationRequest, progress: Progress, _clock: Any
    ) -> dict[str, Any]:
        return work(asked, progress)

    return lifecycle.execute_next(machine.transaction, {"count": handler}, machine.clock, **more)


def count_to_three(asked: OperationRequest, progress: Progress) -> dict[str, Any]:
    for done in range(1, 4):
        progress.report(done, 3)
    return {"counted": 3, "by": asked.params["by"]}


def state_of(session: Session, operation: Operation) -> tuple[str, int, int | None]:
    session.expire_all()
    return operation.state, operation.done, operation.total


def test_it_is_executed_to_its_end_once(session: Session) -> None:
    operation, machine = ask(session, by="hand"), Machine(session)
    assert execute(machine, count_to_three)
    assert not execute(machine, count_to_three)
    assert state_of(session, operation) == ("done", 3, 3)
    assert operation.result == {"counted": 3, "by": "hand"}
    assert (operation.finished_at, operation.lease_token) == (NOW, None)


def test_a_cancelled_one_stops_at_its_next_progress_report(session: Session) -> None:
    operation, machine = ask(session), Machine(session)

    def work(_asked: OperationRequest, progress: Progress) -> dict[str, Any]:
        progress.report(1, 3)
        lifecycle.cancel_operation(session, operation, NOW)
        session.commit()
        progress.report(2)
        raise AssertionError("it went on")

    execute(machine, work)
    assert state_of(session, operation) == ("cancelled", 2, 3)
    with pytest.raises(Conflict, match="ended already"):
        lifecycle.cancel_operation(session, operation, NOW)


def test_a_pending_operation_is_cancelled_at_once(session: Session) -> None:
    operation = ask(session)
    lifecycle.cancel_operation(session, operation, NOW)
    session.commit()
    assert not execute(Machine(session), count_to_three)
    assert state_of(session, operation)[0] == "cancelled"


def test_a_draining_worker_hands_it_back(session: Session) -> None:
    operation, machine = ask(session, by="hand"), Machine(session)
    execute(machine, count_to_three, draining=lambda: True)
    assert state_of(session, operation)[0] == "pending"
    assert execute(machine, count_to_three)
    assert state_of(session, operation)[0] == "done"


def test_a_lost_worker_writes_nothing_and_another_one_begins_again(session: Session) -> None:
    operation, machine = ask(session, by="hand"), Machine(session)

    def slow(_asked: OperationRequest, progress: Progress) -> dict[str, Any]:
        progress.report(1, 3)
        machine.pass_time(seconds=61)
        with machine.transaction():
            assert lifecycle.rescue_operations(session, machine.now) == 1
        assert execute(machine, count_to_three)
        progress.report(2)
        raise AssertionError("it went on")

    execute(machine, slow)
    assert state_of(session, operation) == ("done", 3, 3)
    assert operation.attempts == 2


def test_it_is_given_up_after_three_lost_workers(session: Session) -> None:
    operation, machine = ask(session), Machine(session)

    def die(_asked: OperationRequest, _progress: Progress) -> dict[str, Any]:
        raise KeyboardInterrupt

    for _ in range(lifecycle.MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            execute(machine, die)
        machine.pass_time(seconds=61)
        with machine.transaction():
            lifecycle.rescue_operations(session, machine.now)
    assert state_of(session, operation)[0] == "failed"
    assert "stopped answering" in operation.error_message
    assert not execute(machine, count_to_three)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Invalid({"days": ["Choose at most 90 days."]}), "Choose at most 90 days."),
        (KeyError("x"), lifecycle.BROKEN),
    ],
)
def test_a_failure_is_described_in_plain_words(session: Session, error: Exception, message: str) -> None:
    operation, machine = ask(session), Machine(session)

    def refuse(_asked: OperationRequest, _progress: Progress) -> dict[str, Any]:
        raise error

    execute(machine, refuse)
    assert state_of(session, operation)[0] == "failed"
    assert operation.error_message == message


def test_an_operation_of_another_account_is_not_found(session: Session) -> None:
    operation, stranger = ask(session), make_account(session)
    with pytest.raises(NotFound):
        lifecycle.find_operation(session, Scope(stranger.id), operation.id)


def test_a_pending_operation_wakes_the_step_workers(session: Session) -> None:
    assert overdue_queues(session, NOW + timedelta(minutes=1)) == []
    ask(session)
    assert overdue_queues(session, NOW + timedelta(minutes=1)) == ["long"]
