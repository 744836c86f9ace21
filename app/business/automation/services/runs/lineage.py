"""The run's records that a unit works on: the record itself, its parent, or the source of a created record.

Units that work on many records at once (a notice, one sector's keywords, records named in the action) belong to all of
them. Read from the receipts, step by step in the order of the rule.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import Step, parents_of
from app.business.automation.services.runs.unit_receipts import Unit
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Keyword

Roots = frozenset[int]


@dataclass(frozen=True)
class Receipt:
    """The columns of one receipt that other runs and the claims need."""

    record_type: str
    record_id: int
    status: str
    made: Mapping[str, list[int]]
    run_id: int
    """The run that did it."""
    attempts: int
    records: int
    message: str
    provider_key: str
    started_at: datetime
    finished_at: datetime | None

    def with_made(self, made: Mapping[str, list[int]]) -> "Receipt":
        """The same receipt with only these created records."""
        return replace(self, made=made)


def receipts_of(session: Session, run_id: int) -> dict[int, list[Receipt]]:
    """A run's receipts by step, in the order in which they were begun."""
    row = ActionRun
    query = select(
        row.step,
        row.record_type,
        row.record_id,
        row.status,
        row.made,
        row.run_id,
        row.done_by_run_id,
        row.attempts,
        row.records,
        row.message,
        row.provider_key,
        row.started_at,
        row.finished_at,
    ).where(row.run_id == run_id)
    found: dict[int, list[Receipt]] = defaultdict(list)
    for step, record_type, record_id, status, made, own, other, *rest in session.execute(
        query.order_by(row.id)
    ):
        found[step].append(Receipt(record_type, record_id, status, made, other or own, *rest))
    return found


class Lineage:
    """The records behind each unit of one run: `note` the receipts of a step before asking about the next one."""

    def __init__(self, session: Session, context: RunContext, records: Sequence[int]) -> None:
        self.session, self.context = session, context
        self.records: Roots = frozenset(records)
        self.made: dict[tuple[str, int], Roots] = {}
        self._parents: dict[str, dict[int, Roots]] = {}
        self._keywords: dict[int, tuple[int, int | None]] | None = None

    def of_unit(self, step: Step, unit: Unit) -> Roots:
        """The run's records that the unit works on."""
        if step.source == "run" or (step.source == "records" and step.entry.unit_of == "sector"):
            return self.records & frozenset(unit.ids) if self.context.run.record_type else self.records
        return self.of(step, unit.record_type, unit.record_id)

    def part(self, unit: Unit, record_id: int) -> Unit:
        """The part of a unit over many records that belongs to one of them."""
        return replace(
            unit,
            record_type=self.context.run.record_type or "",
            record_id=record_id,
            ids=(record_id,),
            is_new=False,
        )

    def note(self, step: Step, receipts: Sequence[Receipt]) -> list[tuple[Receipt, Roots]]:
        """The records behind each receipt of the step; from now on they are also those behind the records it
        created."""
        own = {
            receipt.record_id
            for receipt in receipts
            if receipt.record_type == self.context.run.record_type and _is_joint(step)
        }
        found = []
        for receipt in receipts:
            roots = self.of(step, receipt.record_type, receipt.record_id)
            if receipt.record_type in ("run", "sector"):
                roots -= own
            found.append((receipt, roots))
            for record_type, ids in receipt.made.items():
                for record_id in ids:
                    self.made[record_type, record_id] = self.behind(record_type, record_id, roots)
        return found

    def of(self, step: Step, record_type: str, record_id: int) -> Roots:
        """The run's records behind a record of the step's input."""
        if record_type == self.context.run.record_type and step.source in ("records", "run"):
            return self.records & {record_id}
        match step.source:
            case "records":
                return self._of_sector(record_id)
            case "made":
                return self.made.get((record_type, record_id), frozenset())
            case "parents":
                return self._children(record_type).get(record_id, frozenset())
            case _:
                return self.records

    def behind(self, record_type: str, record_id: int, roots: Roots) -> Roots:
        """The source records of a created record: of a cluster the keywords in it, not all those of the sector."""
        if record_type != "cluster" or self.context.run.record_type != "keyword":
            return roots
        return frozenset(key for key, (_, cluster_id) in self._placed().items() if cluster_id == record_id)

    def _of_sector(self, sector_id: int) -> Roots:
        return frozenset(key for key, (sector, _) in self._placed().items() if sector == sector_id)

    def _placed(self) -> dict[int, tuple[int, int | None]]:
        """Sector and cluster of each of the run's keywords."""
        if self._keywords is None:
            query = select(Keyword.id, Keyword.sector_id, Keyword.cluster_id)
            mine = query.where(Keyword.id.in_(self.records))
            rows = self.session.execute(mine, execution_options=WITH_ARCHIVED)
            self._keywords = {key: (sector_id, cluster_id) for key, sector_id, cluster_id in rows}
        return self._keywords

    def _children(self, parent: str) -> dict[int, Roots]:
        if parent not in self._parents:
            child = self.context.run.record_type or ""
            above = parents_of(self.session, child, parent, sorted(self.records))
            self._parents[parent] = _grouped(above)
        return self._parents[parent]


def _is_joint(step: Step) -> bool:
    """Whether one unit of the step works on many records."""
    return step.source == "run" or step.entry.unit_of == "sector"


def _grouped(parents: Mapping[int, int]) -> dict[int, Roots]:
    children: dict[int, set[int]] = defaultdict(set)
    for child, parent in parents.items():
        children[parent].add(child)
    return {parent: frozenset(ids) for parent, ids in children.items()}
