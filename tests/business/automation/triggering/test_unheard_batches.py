"""Batches to which no rule listens are passed together, and no other batch is."""

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.triggering import dispatch
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.events import EventBatch, EventType
from app.business.planner.models import Sector
from app.infrastructure.database import db
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL
from tests.business.automation.triggering.event_batches import batch_of, import_many
from tests.factories import make_account, make_idea, make_sector, make_site

IDEAS = {"type": EventType.IDEA_CREATED, "record_type": "idea"}
UNHEARD = 60
"""More than one page."""


@pytest.fixture
def unheard(session: Session, sector: Sector) -> list[EventBatch]:
    return [batch_of(session, sector, [make_idea(session, sector).id], **IDEAS) for _ in range(UNHEARD)]


def undispatched(session: Session) -> int:
    waiting = select(func.count(EventBatch.id)).where(EventBatch.dispatched_at.is_(None))
    return session.scalar(waiting) or 0


def runs(session: Session) -> int:
    return session.scalar(select(func.count(ScheduledTask.id))) or 0


@pytest.mark.usefixtures("unheard")
def test_many_cost_a_transaction_for_each_page(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    machine.make_rule(account, actions=[LABEL])
    import_many(session, sector, 2)
    elsewhere = make_sector(session, make_site(session, make_account(session)))
    batch_of(session, elsewhere, [make_idea(session, elsewhere).id], **IDEAS)
    commits: list[object] = []
    note = commits.append
    event.listen(db.engine, "commit", note)
    done = dispatch_batches(machine.transaction, machine.now)
    event.remove(db.engine, "commit", note)
    assert (done.batches, done.failures) == (UNHEARD + 2, [])
    assert (undispatched(session), runs(session)) == (0, 1)
    assert len(commits) <= 6


@pytest.mark.usefixtures("unheard")
def test_a_worker_whose_time_is_over_leaves_the_rest(machine: Machine, session: Session) -> None:
    answers = iter((False, True))
    done = dispatch_batches(machine.transaction, machine.now, most=50, is_over=lambda: next(answers))
    assert (done.batches, done.has_more, undispatched(session)) == (50, True, UNHEARD - 50)


@pytest.mark.usefixtures("unheard")
def test_a_rule_that_was_made_since_they_were_read_hears_them(
    machine: Machine, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_unheard = dispatch.pass_unheard

    def make_rule_before(*given: object) -> set[int]:
        if not runs(session):
            machine.make_rule(account, trigger="idea_created", actions=[LABEL])
        return pass_unheard(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatch, "pass_unheard", make_rule_before)
    dispatch_batches(machine.transaction, machine.now)
    assert (undispatched(session), runs(session)) == (0, UNHEARD)


@pytest.mark.usefixtures("unheard")
def test_where_they_cannot_be_passed_together_each_is_dispatched(
    machine: Machine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> set[int]:
        raise OSError("Not together.")

    monkeypatch.setattr(dispatch, "pass_unheard", fail)
    done = dispatch_batches(machine.transaction, machine.now)
    assert (done.batches, undispatched(session)) == (UNHEARD, 0)
    assert len(done.failures) == 2
