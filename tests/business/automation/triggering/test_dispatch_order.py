"""Closed batches are looked at oldest first, each once, however many share an instant."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.services.triggering import dispatch
from app.business.events import EventBatch, EventType
from app.infrastructure.database import engine_options
from tests.business.automation.machine import Machine
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


def test_postgresql_plans_each_statement_for_its_values() -> None:
    assert engine_options("postgresql+psycopg://x")["connect_args"]["prepare_threshold"] is None
