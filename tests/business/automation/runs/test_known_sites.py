"""A worker reads the pages of a site once for many sets of paid runs, and again as soon as they are others."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.automation.services.draining import paid_execution
from app.business.automation.services.draining.paid_runs import local_ideas
from app.business.events import Origin
from app.business.planner.models import Cluster, Idea, Sector
from app.business.planner.services.idea_service import create_idea, update_idea
from app.business.planner.services.known_sites import KnownSites
from app.business.planner.services.site_stamps import read_stamps
from app.business.writer.services.site_pages import WRITTEN_PAGES
from tests.business.automation.machine import Machine
from tests.business.automation.runs.paid_world import PaidWorld, drain_all, due_again, six_due
from tests.business.automation.runs.test_engine_cost import statements
from tests.factories import make_content, make_task


@pytest.fixture
def machine(session: Session) -> PaidWorld:
    """A set has been executed."""
    machine = six_due(session)
    assert drain_all(machine).as_set == 6
    return machine


def reads_of_pages(machine: Machine) -> int:
    due_again(machine, 3)
    with statements() as seen:
        assert drain_all(machine).as_set == 3
    return sum(" idea.title, " in one and "FROM idea" in one for one in seen)


def _add(session: Session, machine: Machine) -> None:
    cluster = session.scalars(select(Cluster)).first()
    assert cluster
    origin = Origin(cluster.account_id, user_id=1)
    create_idea(session, cluster, {"title": "One by hand"}, origin=origin, now=machine.now)


def _change(session: Session, machine: Machine) -> None:
    idea = session.scalars(select(Idea)).first()
    assert idea
    origin = Origin(idea.account_id, user_id=1)
    update_idea(session, idea, {"title": "Another title"}, origin=origin, now=machine.now)


def _reject(session: Session, machine: Machine) -> None:
    idea = session.scalars(select(Idea)).first()
    assert idea
    origin = Origin(idea.account_id, user_id=1)
    update_idea(session, idea, {"status": "rejected"}, origin=origin, now=machine.now)


def _take_place(session: Session, machine: Machine) -> None:
    """One is removed, and another one comes in its place, on SQLite with its id."""
    idea = session.scalars(select(Idea).order_by(Idea.id.desc())).first()
    sector = session.scalars(select(Sector)).one()
    assert idea
    session.execute(delete(Idea).where(Idea.id == idea.id))
    later = machine.now + timedelta(seconds=1)
    create_idea(session, sector, {"title": "In its place"}, origin=Origin(sector.account_id, 1), now=later)


def _task(session: Session, _machine: Machine) -> None:
    make_task(session, session.scalars(select(Sector)).one())


def _article(session: Session, _machine: Machine) -> None:
    make_content(session, session.scalars(select(Sector)).one())


CHANGES = (_add, _change, _reject, _take_place, _task, _article)


@pytest.mark.both_databases
def test_the_pages_of_a_site_are_read_once_for_many_sets(machine: PaidWorld) -> None:
    assert [reads_of_pages(machine) for _ in range(3)] == [0, 0, 0]
    assert machine.breaches() == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_changed_pages_are_read_again_once(
    machine: PaidWorld, change: Callable[[Session, Machine], None]
) -> None:
    with machine.transaction() as session:
        change(session, machine)
    assert reads_of_pages(machine) == 1
    assert reads_of_pages(machine) == 0


def test_what_is_remembered_is_what_is_there(machine: PaidWorld) -> None:
    """After sets and changes: the ideas, and the stamp, which nobody has read back."""
    due_again(machine, 4)
    drain_all(machine)
    session = machine.session
    sector = session.scalars(select(Sector)).one()
    kept = _known(machine)._sites[sector.site_id]
    stored = session.execute(select(Idea.title, Idea.main_keyword, Idea.cluster_id).order_by(Idea.id)).all()
    assert [tuple(page)[2:] for page, _ in kept.ideas] == [tuple(row) for row in stored]
    assert {page.title for page in kept.index.pages} == {row.title for row in stored}
    stamps = read_stamps(session, [sector.account_id], [sector.site_id], WRITTEN_PAGES.tables)
    assert kept.stamp == stamps[sector.site_id]


def _known(machine: PaidWorld) -> KnownSites:
    service = local_ideas(machine.engine.executor.works)
    assert service
    return service.known_sites


def test_ideas_of_a_set_that_was_undone_are_not_remembered(
    machine: PaidWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("All is done but for the charges.")

    with monkeypatch.context() as patch:
        patch.setattr(paid_execution, "charge_at_once", fail)
        due_again(machine, 2)
        assert drain_all(machine).singly == 2
    assert _known(machine)._sites == {}
    assert reads_of_pages(machine) == 1


def test_pages_of_too_many_sites_are_forgotten_beginning_with_the_first(
    machine: PaidWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = _known(machine)
    (site,) = known._sites.values()
    monkeypatch.setattr("app.business.planner.services.known_sites.MOST_PAGES", 2 * site.size)
    for site_id in (101, 102):
        known.keep(site_id, site)
    assert list(known._sites) == [101, 102]


def test_a_worker_that_trusts_its_memory_is_found(
    machine: PaidWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownSites, "take", lambda known, site_id, *_: known._sites.pop(site_id, None))
    with machine.transaction() as session:
        _task(session, machine)
    assert reads_of_pages(machine) == 0
