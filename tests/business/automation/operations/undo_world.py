"""Random worlds for the undo of runs: a rule that makes records in several steps, other rules, people, and kills."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.catalogue.record_models import MODELS, PARENTS
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.operations.undo.operation import begin_undo
from app.business.automation.unit_models import ActionRun
from app.business.events import Origin
from app.business.planner.models import Record
from app.business.writer.services.record_editors import update_record
from tests.business.automation.machine import Machine
from tests.factories import make_account, make_idea, make_keyword, make_sector, make_site

Key = tuple[str, int]
CLUSTER = {"type": "cluster_keywords", "params": {"min_cluster_size": 2}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 2}}
TASKS = {"type": "create_tasks", "params": {"word_count": 300}}
CONTENT = {"type": "generate_content", "params": {}}
TEXTS = [
    f"{how} {what}"
    for what in ("running shoes", "garden hose", "coffee grinder", "standing desk")
    for how in ("best", "cheap", "buy", "repair", "clean")
]


class Killed(BaseException):
    """The process has died."""


@dataclass
class UndoWorld:
    """One account whose rules have run. touched: what people have changed since."""

    session: Session
    chance: random.Random
    machine: Machine = field(init=False)
    touched: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.machine = Machine(self.session)
        self.account = make_account(self.session, credits=5_000)
        self.sector = make_sector(self.session, make_site(self.session, self.account))

    def run_rules(self) -> None:
        chance = self.chance
        steps = [CLUSTER, IDEAS, TASKS, CONTENT][: chance.randint(1, 4)]
        common = {"credit_limit_per_execution": chance.choice([15, 40, 400]), "max_executions_per_day": 1000}
        if chance.random() < 0.4:
            self._event_rules(chance)
        for text in chance.sample(TEXTS, chance.randint(6, len(TEXTS))):
            make_keyword(self.session, self.sector, text=text, text_key=text)
        rule = self.machine.make_rule(
            self.account, trigger="schedule", schedule={"cron": "7 3 1 1 *", "timezone": "UTC"},
            actions=steps, **common,
        )  # fmt: skip
        self.machine.run_now(rule)

    def _event_rules(self, chance: random.Random) -> None:
        accept = {"type": "update_records", "params": {"status": "accepted"}}
        label = {"type": "update_records", "params": {"labels_add": ["seen"]}}
        first = chance.choice([accept, label, TASKS])
        rest = [CONTENT] if first is TASKS and chance.random() < 0.5 else []
        self.machine.make_rule(
            self.account, trigger="idea_created", actions=[first, *rest], max_executions_per_day=1000
        )

    def some_run(self) -> ScheduledTask | None:
        """A run that left something."""
        made = select(ActionRun.run_id).where(ActionRun.status == "done").distinct()
        runs = self.session.scalars(made.order_by(ActionRun.run_id)).all()
        return self.session.get(ScheduledTask, self.chance.choice(list(runs))) if runs else None

    def rows(self) -> dict[Key, dict[str, Any]]:
        """Every record, archived ones too."""
        self.session.expire_all()
        return {
            (name, row.id): {column.key: getattr(row, column.key) for column in model.__table__.c}
            for name, model in MODELS.items()
            for row in self.session.scalars(select(model), execution_options=WITH_ARCHIVED)
        }

    def touch(self, keys: list[Key], most: int) -> None:
        """People edit some of the records, and add ideas of their own to clusters."""
        for name, key in self.chance.sample(keys, min(self.chance.randint(0, most), len(keys))):
            row = self.session.get(MODELS[name], key)
            if row is None or row.archived_at is not None:
                continue
            if name == "cluster" and self.chance.random() < 0.5:
                make_idea(self.session, self.sector, cluster_id=key)
                continue
            self._edit(row)
            self.touched.add((name, key))
        self.session.commit()

    def _edit(self, row: Record) -> None:
        note = f"{row.note}Looked at. "
        origin = Origin(self.account.id)
        update_record(self.session, row, {"note": note}, origin=origin, now=self.machine.now)

    def undo(self, run: ScheduledTask, disturb: Callable[[], None], kills: int) -> Operation:
        """Undo it while people go on working and processes die around commits."""
        operation = begin_undo(self.session, run, Actor(None), self.machine.now)
        self.session.commit()
        for _ in range(kills):
            dies = _Dying(self.machine, self.chance.randint(1, 12), self.chance.random() < 0.5, disturb)
            try:
                lifecycle.execute_next(dies.transaction, KINDS, self.machine.clock)
            except Killed:
                self.machine.now += 3 * lifecycle.LEASE
                with self.machine.transaction() as session:
                    lifecycle.rescue_operations(session, self.machine.now)
        lifecycle.execute_next(self.machine.transaction, KINDS, self.machine.clock)
        self.session.refresh(operation)
        return operation


@dataclass
class _Dying:
    """Transactions of a process that dies before or after its n-th commit; others work in between."""

    machine: Machine
    commits_left: int
    before: bool
    disturb: Callable[[], None]

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.machine.transaction() as session:
            yield session
            self.commits_left -= 1
            if self.before and not self.commits_left:
                raise Killed
        if not self.commits_left:
            raise Killed
        self.disturb()


def children_of(rows: dict[Key, dict[str, Any]]) -> dict[Key, list[Key]]:
    """Parent -> its children in use."""
    found: dict[Key, list[Key]] = {}
    for (name, key), row in rows.items():
        for parent, column in PARENTS.get(name, {}).items():
            if row[column] is not None and row["archived_at"] is None:
                found.setdefault((parent, row[column]), []).append((name, key))
    return found


def used_by_others(session: Session, run_id: int) -> set[Key]:
    """Records that another run has worked on."""
    other = select(ActionRun.record_type, ActionRun.record_id).where(
        ActionRun.run_id != run_id, ActionRun.status != "left_out"
    )
    return {(name, key) for name, key in session.execute(other)}


def a_moment_later(world: UndoWorld) -> None:
    world.machine.now += timedelta(minutes=1)
