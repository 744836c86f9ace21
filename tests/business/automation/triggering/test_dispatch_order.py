"""Closed batches are looked at oldest first, each once, however many share an instant."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.services.triggering import dispatch
from app.business.events import EventBatch, EventType
from app.infrastructure.database import engine_options
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.factories import NOW, make_account


def test_batches_of_one_instant_are_all_dispatched(session: Session) -> None:
    account = make_account(session)
    for _ in range(5):
        session.add(
            EventBatch(account_id=account.id, type=EventType.KEYWORD_ADDED, created_at=NOW, closed_at=NOW)
        )
    session.commit()
    assert dispatch.dispatch_batches(Machine(session).transaction, NOW, most=2).batches == 5
    left = select(func.count(EventBatch.id)).where(EventBatch.dispatched_at.is_(None))
    assert session.scalar(left) == 0


def test_batches_of_an_account_are_dispatched_in_the_order_in_which_they_were_closed(
    session: Session,
) -> None:
    """Whatever the order in which they were opened, and however few are read at once."""
    account, minutes = make_account(session), (3, 1, 4, 2, 0)
    for number in minutes:
        closed_at = NOW - timedelta(minutes=number)
        kind = EventType.KEYWORD_ADDED
        session.add(EventBatch(account_id=account.id, type=kind, created_at=NOW, closed_at=closed_at))
    session.commit()
    machine, seen = Machine(session), list[datetime]()
    machine.make_rule(account, actions=[LABEL])  # Batches that no rule listens to are passed together.

    def look() -> bool:
        done = select(EventBatch.closed_at).where(EventBatch.dispatched_at.is_not(None))
        seen.extend(at for at in session.scalars(done) if at not in seen)
        return False

    dispatch.dispatch_batches(machine.transaction, NOW, most=2, is_over=look)
    look()
    assert seen == [NOW - timedelta(minutes=number) for number in (4, 3, 2, 1, 0)]


def test_postgresql_plans_each_statement_for_its_values() -> None:
    assert engine_options("postgresql+psycopg://x")["connect_args"]["prepare_threshold"] is None
