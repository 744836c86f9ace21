"""What others do while a set of paid runs is being worked on counts."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.draining import paid_sets, plain_runs
from app.business.automation.services.draining.drain import Drained
from app.business.automation.services.draining.paid_answers import make_ideas
from app.business.automation.services.draining.paid_sets import PaidSets
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.opening import LONG_QUEUE
from app.business.automation.services.runs.reservations import RESERVED_FOR, reserve
from app.business.outlets.incident_models import Incident
from app.business.outlets.services import incidents
from app.business.outlets.services.incidents import FailureCause, Touched
from app.business.planner.models import Cluster, Idea, Sector, Site
from tests.business.automation.machine import Machine
from tests.business.automation.runs.paid_world import drain_all, six_due, spent
from tests.factories import (
    NOW,
    make_ai_connection,
    make_idea,
    make_keyword,
    make_task,
)


@pytest.fixture
def machine(session: Session) -> Machine:
    return six_due(session)


def test_a_run_that_ends_an_incident_is_in_no_set(machine: Machine) -> None:
    """One that the AI service's faults have opened: the first run that makes ideas again ends it."""
    account_id = machine.session.scalars(select(Account.id)).one()
    cause = FailureCause("ai", "refused", "The AI service")
    touched = Touched("run-0", None, None, ())
    incidents.note_failure(machine.session, account_id, cause, touched, "Not now.", machine.now)
    machine.session.commit()
    machine.pass_time(minutes=1)
    assert drain_all(machine).executed == 6
    assert machine.session.scalars(select(Incident.status)).all() == ["recovered"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Somebody acts once, while the ideas of a set are made."""
    acts = [act]

    def make(*given: Any) -> Any:
        while acts:
            acts.pop()()
        return make_ideas(*given)

    monkeypatch.setattr(paid_sets, "make_ideas", make)


def _switch_off(session: Session) -> None:
    session.execute(update(AutomationRule).values(is_active=False))


def _pause(session: Session) -> None:
    session.execute(update(Account).values(paused_at=NOW))


def _cancel(session: Session) -> None:
    commands.cancel(session, session.scalars(select(ScheduledTask)).first() or ScheduledTask(), NOW)


def _add_keyword(session: Session) -> None:
    cluster = session.scalars(select(Cluster)).first()
    sector = session.scalars(select(Sector)).one()
    assert cluster
    make_keyword(session, sector, text="why a lamp", cluster_id=cluster.id, status="clustered")


def _add_keyword_to_last(session: Session) -> None:
    cluster_id = session.scalars(select(func.max(Cluster.id))).one()
    sector = session.scalars(select(Sector)).one()
    make_keyword(session, sector, text="why a lamp", cluster_id=cluster_id, status="clustered")


def _edit_last(session: Session) -> None:
    last = select(func.max(Cluster.id)).scalar_subquery()
    session.execute(update(Cluster).where(Cluster.id == last).values(version=Cluster.version + 1))


def _add_page(session: Session) -> None:
    make_task(session, session.scalars(select(Sector)).one(), title="How to clean a lamp 1")


def _reject_idea(session: Session) -> None:
    """Of an idea that was there before: its title may be used again."""
    session.execute(update(Idea).values(status="rejected", version=Idea.version + 1))


def _translate(session: Session) -> None:
    session.execute(update(Site).values(language="de", version=Site.version + 1))


def _connect(session: Session) -> None:
    make_ai_connection(session, session.scalars(select(Account)).one())


def _edit(session: Session) -> None:
    session.execute(
        update(Cluster).values(version=Cluster.version + 1, main_keyword=Cluster.main_keyword + "s")
    )


@pytest.mark.parametrize(
    ("act", "completed"),
    [
        (_switch_off, 0),
        (_pause, 0),
        (_cancel, 5),
        (_add_keyword, 6),
        (_add_page, 6),
        (_edit, 6),
        (_reject_idea, 6),
        (_translate, 6),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_changes_while_ideas_are_made_counts(
    machine: Machine, act: Callable[[Session], None], completed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine.transaction() as session:
        make_idea(session, session.scalars(select(Sector)).one())

    def change() -> None:
        with machine.transaction() as session:
            act(session)

    meanwhile(monkeypatch, change)
    drained = drain_all(machine)
    assert (drained.as_set, drained.singly) == (0, 6)
    assert len(machine.runs(Status.COMPLETED)) == completed
    assert spent(machine)[:2] == (completed, completed)
    assert machine.breaches() == []


@pytest.mark.parametrize(
    ("act", "completed"),
    [
        (_switch_off, 2),
        (_pause, 2),
        (_add_keyword_to_last, 6),
        (_add_page, 6),
        (_edit_last, 6),
        (_translate, 6),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_changes_between_the_transactions_of_a_set_counts_for_those_behind_it(
    machine: Machine, act: Callable[[Session], None], completed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = PaidSets._write, count()

    def write_some(sets: PaidSets, *given: Any) -> Any:
        if next(written) == 1:
            with machine.transaction() as session:
                act(session)
        return write(sets, *given)

    monkeypatch.setattr(PaidSets, "_write", write_some)
    drained = drain_all(machine, runs=2)
    # The second transaction had four: what it was to write is done one by one.
    assert (drained.as_set, drained.singly) == (2, 4)
    assert len(machine.runs(Status.COMPLETED)) == completed
    assert spent(machine)[:2] == (completed, completed)
    assert machine.breaches() == []


def test_a_connection_made_meanwhile_is_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> None:
        with machine.transaction() as session:
            _connect(session)

    meanwhile(monkeypatch, connect)
    assert drain_all(machine).as_set == 0


def taken_meanwhile(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Drained:
    """The reservation has ended while ideas were made, and another worker has reserved the runs."""

    def take() -> None:
        machine.now += RESERVED_FOR + timedelta(seconds=1)
        with machine.transaction() as session:
            assert len(reserve(session, LONG_QUEUE, 10, machine.now).rules) == 6

    meanwhile(monkeypatch, take)
    return drain_all(machine)


@pytest.mark.both_databases
def test_runs_that_another_worker_has_taken_meanwhile_are_left_to_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken_meanwhile(machine, monkeypatch).executed == 0
    assert spent(machine) == (0, 0, 0)


def test_a_token_that_is_not_checked_is_found(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_runs, "_still", lambda run_ids, *_: (ScheduledTask.id.in_(run_ids),))
    assert taken_meanwhile(machine, monkeypatch).executed
