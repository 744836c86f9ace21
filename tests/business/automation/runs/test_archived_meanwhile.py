"""Records that are archived before a rule takes them, or while its run holds them."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.history.run_page import record_names
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.unit_models import ActionRun
from app.business.errors import NotFound
from app.business.language_model import Prompt
from app.business.planner.models import Cluster, Idea, Keyword, Sector
from app.business.writer.models import Task
from app.infrastructure.ai.offline import OfflineModel
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS, LABEL, clusters_with_keywords
from tests.business.automation.triggering.event_batches import batch_of
from tests.factories import NOW, make_keyword

TASK = {"type": "create_record", "params": {"type": "task", "title": "Look at {name}"}}


def archive(session: Session, model: Any, id: int) -> None:
    session.execute(update(model).where(model.id == id).values(archived_at=NOW))
    session.commit()


def test_an_event_of_an_archived_record_starts_nothing_on_it(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    kept, away = (make_keyword(session, sector).id for _ in range(2))
    machine.make_rule(account, actions=[LABEL])
    batch_of(session, sector, [kept, away])
    archive(session, Keyword, away)
    dispatch_batches(machine.transaction, machine.now)
    taken = select(RunDetail.records).join(ScheduledTask, ScheduledTask.id == RunDetail.run_id)
    assert session.scalars(taken.where(ScheduledTask.part > 0)).all() == [[kept]]


def test_a_start_of_an_archived_record_is_refused_as_of_one_that_is_gone(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    away = make_keyword(session, sector).id
    rule = machine.make_rule(account, actions=[LABEL])
    archive(session, Keyword, away)
    with pytest.raises(NotFound):
        machine.run_now(rule, record_ids=[away])


class WatchedModel(OfflineModel):
    """Records that it was called: by then the run has selected its records."""

    was_asked = False

    def write(self, prompt: Prompt, key: str) -> Any:
        """Answers normally."""
        self.was_asked = True
        return super().write(prompt, key)


def test_a_run_leaves_out_what_is_archived_while_it_holds_it(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, victim = clusters_with_keywords(session, sector, 2)
    rule = machine.make_rule(
        account, trigger="schedule", record_type="cluster", schedule=HOURLY, actions=[IDEAS, LABEL, TASK]
    )
    machine.model = model = WatchedModel()

    def clock() -> datetime:
        if model.was_asked:
            session.execute(update(Cluster).where(Cluster.id == victim).values(archived_at=NOW))
        return machine.now

    monkeypatch.setattr(machine, "clock", clock)
    run = machine.run_now(rule)
    assert run.status == Status.COMPLETED
    units = session.execute(
        select(ActionRun.step, ActionRun.record_id, ActionRun.message).where(ActionRun.run_id == run.id)
    ).all()
    said = {(unit.step, unit.record_id): unit.message for unit in units}
    assert said[0, victim] == f"Cluster {victim} was not found."
    assert said[1, victim] == said[2, victim] == "It was archived or removed before its turn came."
    assert session.scalar(select(func.count(Task.id))) == 1
    assert set(session.scalars(select(Idea.cluster_id))) == {first}
    assert machine.breaches() == []
    names = record_names(session, account.id, {"cluster": [first, victim]})["cluster"]
    assert {id: name.is_archived for id, name in names.items()} == {first: False, victim: True}


def test_no_task_is_made_of_an_idea_that_is_archived_before_its_step(
    machine: Machine, session: Session, account: Account, sector: Sector, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters_with_keywords(session, sector, 1)
    rule = machine.make_rule(
        account, trigger="schedule", record_type="cluster", schedule=HOURLY,
        actions=[IDEAS, {"type": "create_tasks", "params": {}}],
    )  # fmt: skip

    def clock() -> datetime:
        session.execute(update(Idea).values(archived_at=NOW))
        return machine.now

    monkeypatch.setattr(machine, "clock", clock)
    run = machine.run_now(rule)
    assert run.status == Status.COMPLETED
    said = select(ActionRun.message).where(ActionRun.run_id == run.id, ActionRun.step == 1)
    assert set(session.scalars(said)) == {"It was archived or removed before its turn came."}
    assert session.scalars(select(Task.id)).all() == []
