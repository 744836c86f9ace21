"""Undo of random runs: what nobody touched is gone, what somebody touched stands, and the accounting is clean.

People edit and processes die meanwhile. 500 worlds with TRIALS=full.
"""

import random
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.operations.undo.operation import refusal
from app.business.billing.models import CreditEntry
from tests.business.automation.operations.undo_world import (
    Key,
    UndoWorld,
    a_moment_later,
    children_of,
    used_by_others,
)
from tests.sampling import times

SEEDS = range(times(full=500, sample=3))
OF_THE_UNDO = {"archived_at", "status", "status_since", "version", "made_version", "updated_at"}
Rows = dict[Key, dict[str, Any]]


@pytest.mark.parametrize("seed", SEEDS)
def test_untouched_is_gone_and_touched_stands(session: Session, seed: int) -> None:
    world = UndoWorld(session, random.Random(seed))
    world.run_rules()
    run = world.some_run()
    if run is None or refusal(session, run):
        return
    a_moment_later(world)
    made = [key for key, row in world.rows().items() if row["made_by_run_id"] == run.id]
    world.touch(made, 3)
    before, ledger, runs = world.rows(), ledger_of(session), runs_of(session)
    rare = world.chance.random() < 0.3
    operation = world.undo(
        run, lambda: world.touch(made, 1) if rare else None, kills=world.chance.choice([0, 0, 1, 2])
    )
    after = world.rows()
    assert operation.state == "done", operation.error_message
    check_records(world, run.id, before, after)
    check_result(operation.result, before, after)
    world.machine.settle()
    assert (ledger_of(session), runs_of(session)) == (ledger, runs), "it started a rule or moved credits"
    assert world.machine.breaches() == []


def ledger_of(session: Session) -> tuple[int, int | None]:
    count, total = session.execute(select(func.count(CreditEntry.id), func.sum(CreditEntry.amount))).one()
    return count, total


def runs_of(session: Session) -> int | None:
    return session.scalar(select(func.count(ScheduledTask.id)))


def check_records(world: UndoWorld, run_id: int, before: Rows, after: Rows) -> None:
    gone = {key for key, row in after.items() if row["archived_at"] and not before[key]["archived_at"]}
    made = {key for key, row in before.items() if row["made_by_run_id"] == run_id and not row["archived_at"]}
    assert gone <= made, "something of others is gone"
    assert not gone & world.touched
    assert not gone & used_by_others(world.session, run_id)
    children = children_of(after)
    for key in made - gone:
        kept = key in world.touched or key in used_by_others(world.session, run_id) or children.get(key)
        assert kept, f"{key} was untouched and stays"
    for parent in gone:
        # Its children are gone too, or have left it: no record in use belongs to an archived one.
        assert not children.get(parent), f"{children[parent]} stay in {parent}, which is gone"
    for key, row in before.items():
        same = {name for name in row if name in after[key] and row[name] == after[key][name]}
        free = OF_THE_UNDO | ({"cluster_id", "cluster_tried_at"} if key[0] == "keyword" else set())
        assert row.keys() - same <= free | ({"note", "note_folded"} if key in world.touched else set())
        if after[key]["archived_at"] is None:
            check_status(key, row, after[key], children.get(key, []))


def check_status(key: Key, before: dict[str, Any], after: dict[str, Any], children: list[Key]) -> None:
    """Statuses that say that something was made are true."""
    if key[0] == "keyword":
        assert (after["status"] == "clustered") == (after["cluster_id"] is not None), key
    if key[0] in ("idea", "task") and before["status"] in ("used", "done"):
        assert (after["status"] in ("used", "done")) == bool(children), key
    if key[0] == "cluster" and before["status"] != "new":
        assert (after["status"] != "new") == bool([child for child in children if child[0] == "idea"]), key


def check_result(result: dict[str, Any], before: Rows, after: Rows) -> None:
    archived, restored = dict[str, int](), dict[str, int]()
    for (name, key), row in after.items():
        if (name, key) not in before:
            continue
        if row["archived_at"] and not before[name, key]["archived_at"]:
            archived[name] = archived.get(name, 0) + 1
        elif row["status"] != before[name, key]["status"]:
            restored[name] = restored.get(name, 0) + 1
    assert result["archived"] == archived
    assert result["restored"] == restored
    left = {(row["type"], row["id"]) for row in result["left"]}
    assert len(left) == len(result["left"])
    assert all(row["reason"] for row in result["left"])
    assert not {key for key in left if after[key]["archived_at"] and not before[key]["archived_at"]}
