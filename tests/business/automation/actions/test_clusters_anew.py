"""A run that groups new keywords puts clusters in order that nobody has worked on: said, free, and undone with care."""

import csv
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.undo.operation import begin_undo
from app.business.automation.services.operations.undo.verdicts import REGROUPED
from app.business.automation.unit_models import ActionRun
from app.business.events import Origin
from app.business.planner.models import Cluster, Keyword, Sector
from app.business.planner.services.cluster_service import move_keywords
from tests.bench.clusters import OWN
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import run_once
from tests.factories import make_keyword

GROUP = {"type": "cluster_keywords", "params": {}}


def _texts(most: int) -> list[str]:
    """About a few subjects, in random order."""
    with OWN.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:most]
    Random(3).shuffle(texts)
    return texts


def _step(machine: Machine, session: Session, account: Account, sector: Sector, number: int) -> ScheduledTask:
    for text in _texts(72)[24 * number : 24 * (number + 1)]:
        make_keyword(session, sector, text=text)
    return run_once(machine, account, GROUP)


def test_moves_are_said_and_cost_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    runs = [_step(machine, session, account, sector, number) for number in range(3)]
    receipts = session.scalars(
        select(ActionRun).where(ActionRun.type == "cluster_keywords").order_by(ActionRun.id)
    ).all()
    assert any("moved between clusters that nobody has worked on" in receipt.message for receipt in receipts)
    clustered = session.scalars(select(Keyword.id).where(Keyword.status == "clustered")).all()
    assert sum(receipt.records for receipt in receipts) == len(clustered)
    assert sum(run.credits_used for run in runs) <= len(clustered) // 10 + len(runs)
    with_keywords = set(session.scalars(select(Keyword.cluster_id).where(Keyword.status == "clustered")))
    assert with_keywords == set(session.scalars(select(Cluster.id)))
    assert machine.breaches() == []


def test_undoing_a_run_leaves_what_other_runs_placed(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    for number in range(2):
        _step(machine, session, account, sector, number)
    placed = set(session.scalars(select(Keyword.id).where(Keyword.status == "clustered")))
    last = _step(machine, session, account, sector, 2)
    begin_undo(session, last, Actor(None), machine.now)
    session.commit()
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    session.expire_all()
    in_use = set(session.scalars(select(Cluster.id)))
    for row in session.scalars(select(Keyword)):
        assert row.status == "new" if row.cluster_id is None else row.cluster_id in in_use
    assert placed <= set(session.scalars(select(Keyword.id).where(Keyword.status == "clustered")))


def test_undoing_a_run_says_of_keywords_that_somebody_put_elsewhere_that_they_were(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = _step(machine, session, account, sector, 0)
    other, home = session.scalars(select(Cluster).order_by(Cluster.id).limit(2)).all()
    moved = session.scalars(select(Keyword.id).where(Keyword.cluster_id == home.id)).all()[0]
    move_keywords(session, other, [moved], origin=Origin(account.id), now=machine.now)
    undo = begin_undo(session, run, Actor(None), machine.now)
    session.commit()
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    session.refresh(undo)
    assert undo.result is not None
    assert {"type": "keyword", "id": moved, "reason": REGROUPED} in undo.result["left"]
