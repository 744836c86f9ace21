"""A long chain of rules waits for a person, who lets all of it continue, or end."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status, Waiting
from app.business.automation.services.preflight.chain_release import Review, go_on, review_of
from app.business.automation.services.runs import loop_guard
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.errors import Conflict
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, LABEL, clusters_with_keywords
from tests.factories import make_keyword


@pytest.fixture(autouse=True)
def a_few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_guard, "MOST_RUNS_FROM_ONE_ROOT", 2)


@pytest.fixture
def root(machine: Machine, session: Session, account: Account, sector: Sector) -> ScheduledTask:
    make_keyword(session, sector)
    return machine.run_now(machine.make_rule(account, actions=[LABEL]))


def caused(
    machine: Machine, session: Session, rule: AutomationRule, root: ScheduledTask, records: list[int]
) -> list[ScheduledTask]:
    """One run for each record, as events of events open them."""
    runs = [
        open_run(
            session,
            rule,
            Opening(
                cause=Cause.EVENT, scheduled_at=machine.now, record_type="cluster", records=[record],
                chain=[root.automation_rule_id], root_id=root.id, depth=2,
            ),
        )
        for record in records
    ]  # fmt: skip
    machine.settle()
    for run in runs:
        session.refresh(run)
    return runs


def test_the_rest_waits_and_editors_are_notified_once(
    machine: Machine, session: Session, account: Account, sector: Sector, root: ScheduledTask
) -> None:
    clusters = clusters_with_keywords(session, sector, 5)
    rule = machine.make_rule(
        account, trigger="cluster_created", actions=[IDEAS], credit_limit_per_execution=40
    )
    runs = caused(machine, session, rule, root, clusters)
    assert [run.status for run in runs] == [Status.COMPLETED] * 2 + [Status.PENDING] * 3
    assert [run.waiting_for for run in runs[2:]] == [Waiting.REVIEW] * 3
    notice = session.scalars(select(Notice)).one()
    assert (notice.role, notice.run_id) == (Role.EDITOR, runs[-1].id)
    assert "More than 2 runs came from one start" in notice.body
    assert review_of(session, runs[3], machine.now) == Review(waiting=3, runs=3, days=1, credits=15)
    assert review_of(session, runs[0], machine.now) is None


def test_one_confirmation_continues_all_of_them(
    machine: Machine, session: Session, account: Account, sector: Sector, root: ScheduledTask
) -> None:
    clusters = clusters_with_keywords(session, sector, 4)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    runs = caused(machine, session, rule, root, clusters)
    assert go_on(session, runs[2], machine.now) == 2
    machine.settle()
    for run in runs:
        session.refresh(run)
    assert [run.status for run in runs] == [Status.COMPLETED] * 4
    with pytest.raises(Conflict):
        go_on(session, runs[2], machine.now)
    assert machine.breaches() == []


def test_runs_that_cost_nothing_are_said_to_cost_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector, root: ScheduledTask
) -> None:
    clusters = clusters_with_keywords(session, sector, 3)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[LABEL])
    *_, last = caused(machine, session, rule, root, clusters)
    assert review_of(session, last, machine.now) == Review(waiting=1, runs=1, days=1, credits=0)


def test_another_chain_waits_for_its_own_confirmation(
    machine: Machine, session: Session, account: Account, sector: Sector, root: ScheduledTask
) -> None:
    clusters = clusters_with_keywords(session, sector, 6)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    mine = caused(machine, session, rule, root, clusters[:3])
    other_root = machine.run_now(machine.make_rule(account, actions=[LABEL]))
    others = caused(machine, session, rule, other_root, clusters[3:])
    assert go_on(session, mine[2], machine.now) == 1
    machine.settle()
    session.refresh(others[2])
    assert others[2].waiting_for == Waiting.REVIEW


def test_without_confirmation_they_end_after_thirty_days(
    machine: Machine, session: Session, account: Account, sector: Sector, root: ScheduledTask
) -> None:
    clusters = clusters_with_keywords(session, sector, 3)
    rule = machine.make_rule(account, trigger="cluster_created", actions=[IDEAS])
    *_, last = caused(machine, session, rule, root, clusters)
    machine.pass_time(days=30)
    machine.settle()
    session.refresh(last)
    assert (last.status, last.reason) == (Status.SKIPPED, Reason.LOOP)
