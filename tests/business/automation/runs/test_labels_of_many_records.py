"""Labels that a run's step changes by common statements end as if each record had been edited by itself."""

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import Status
from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.local_handlers import UpdateRecordsWork
from app.business.automation.services.runs import commands, recovery, unit_receipts
from app.business.automation.services.runs.lease import LEASE
from app.business.automation.services.triggering.dispatch import dispatch_batches
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Keyword, Sector
from app.infrastructure.database import db
from tests import databases
from tests.business.automation.held_world import Killed
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import LABEL, import_texts
from tests.business.automation.runs.batch_world import LAMP, RELABEL, SEEN, everything, labelled
from tests.business.automation.runs.set_trials import killed_at
from tests.business.automation.runs.test_engine_cost import statements
from tests.factories import make_account, make_sector, make_site
from tests.sampling import times

RECORDS = 45
FULL = [f"label {number}" for number in range(50)]
"""As many labels as a record can have."""


def due(session: Session, records: int, **rule: Any) -> Machine:
    """A run over so many new keywords is due."""
    machine = Machine(session)
    account = make_account(session, name="An account")
    machine.make_rule(account, **{"actions": [LABEL], "max_executions_per_day": 1000} | rule)
    make_sector(session, make_site(session, account, name="A site"), name="A sector")
    due_again(machine, "first", records)
    return machine


def due_again(machine: Machine, trial: str, records: int) -> None:
    sector = machine.session.scalars(select(Sector)).one()
    texts = [f"{('lamp', 'desk')[number % 3 == 0]} {trial} {number}" for number in range(records)]
    import_texts(machine.session, sector, texts)
    machine.session.commit()
    dispatch_batches(machine.transaction, machine.now)


@pytest.mark.both_databases
def test_a_run_over_500_records_takes_less_than_one_statement_for_five_of_them(session: Session) -> None:
    machine = due(session, 500)
    with statements() as seen:
        machine.drain("events")
    assert labelled(machine) == 500
    assert len(seen) < 100, "\n".join(seen)
    assert machine.breaches() == []


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", times(full=range(40), sample=range(1)))
def test_a_life_ends_the_same_with_each_record_edited_by_itself(
    session: Session, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_all = UpdateRecordsWork.save_all
    sizes: list[int] = []

    def note(work: UpdateRecordsWork, *given: Any) -> Any:
        sizes.append(len(given[-1]))
        return save_all(work, *given)

    monkeypatch.setattr(UpdateRecordsWork, "save_all", note)
    together = life(session, Random(seed), monkeypatch)
    assert max(sizes) > 20
    databases.empty(db.engine)
    monkeypatch.setattr(UpdateRecordsWork, "takes", lambda *_: False)
    alone = life(session, Random(seed), monkeypatch)
    for table, rows in alone.items():
        assert together[table] == rows, table


def life(session: Session, rng: Random, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Records have labels, too many, or are gone when their turn comes; what failed is tried again without these."""
    actions = [LABEL | {"when": {"all": [LAMP]}}, RELABEL | {"when": {"all": [SEEN]}}, LABEL]
    machine = due(session, RECORDS, actions=rng.sample(actions, 2))
    for keyword in session.scalars(select(Keyword).order_by(Keyword.id)):
        keyword.labels = rng.choice([[], ["seen"], ["again", "seen"]])
    if rng.random() < 0.5:
        for keyword in rng.sample(list(session.scalars(select(Keyword).order_by(Keyword.id))), 3):
            keyword.labels = FULL
    session.commit()
    do_local = ActionExecutor._do_local
    acted: list[bool] = []

    def meanwhile(executor: ActionExecutor, context: Any, lease: Any, units: Any) -> Any:
        if not acted:
            acted.append(True)
            with machine.transaction():
                for keyword in rng.sample(list(session.scalars(select(Keyword).order_by(Keyword.id))), 9):
                    keyword.archived_at = rng.choice([None, machine.now])
                    keyword.made_by_run_id = context.run.id
        return do_local(executor, context, lease, units)

    with monkeypatch.context() as patch:
        patch.setattr(ActionExecutor, "_do_local", meanwhile)
        machine.settle()
    for keyword in session.scalars(select(Keyword).order_by(Keyword.id)):
        keyword.labels = keyword.labels[:3]
    for run in machine.runs(Status.FAILED):
        commands.retry(session, run, machine.now)
    machine.settle()
    assert acted
    assert machine.breaches() == []
    rows = everything(session)
    session.rollback()
    session.expunge_all()
    return rows


@pytest.mark.both_databases
def test_a_worker_killed_at_any_statement_labels_each_record_once(session: Session) -> None:
    machine = due(session, RECORDS)
    machine.drain("events")
    due_again(machine, "counted", RECORDS)
    with statements() as seen:
        assert machine.drain("events") == 1
    points = times(full=range(1, len(seen) + 1), sample=range(9, len(seen) + 1, len(seen) // 4))
    for number, point in enumerate(points, 3):
        due_again(machine, str(number), RECORDS)
        # Within a savepoint PostgreSQL's session makes an error of it, and the worker goes on.
        with suppress(Killed), killed_at(point):
            machine.drain("events")
        machine.session.rollback()
        machine.now += LEASE + LEASE
        recovery.rescue(machine.transaction, machine.clock)
        machine.settle()
        assert labelled(machine) == RECORDS * number, f"killed at statement {point}"
        assert len(session.scalars(select(ActionRun.id)).all()) == RECORDS * number
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert machine.breaches() == []


def test_one_record_that_fails_stops_no_other(session: Session) -> None:
    machine = due(session, RECORDS)
    full = session.scalars(select(Keyword).order_by(Keyword.id)).all()[30]
    full.labels = FULL
    machine.settle()
    (run,) = machine.runs(Status.FAILED)
    assert run.error_message.startswith("44 of 45 keywords updated; 1 failed: At most 50 labels")
    assert labelled(machine) == 44


def test_what_fails_together_is_done_one_by_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    write = unit_receipts.finish_all_at_once

    def fail(*given: Any) -> None:
        write(*given)
        raise OSError("All is written.")

    monkeypatch.setattr(unit_receipts, "finish_all_at_once", fail)
    machine = due(session, RECORDS)
    machine.settle()
    assert labelled(machine) == RECORDS
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert machine.breaches() == []
