"""What becomes of each record when a run is undone: archived, given its status back, or left, and why."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.operations.undo.footprint import (
    Move,
    Moves,
    UndoneRun,
    chunks,
    moves_of,
)
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Cluster, ClusterStatus, Idea, Keyword, KeywordStatus, Record
from app.business.planner.services.cluster_service import OPEN_IDEAS
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.business.writer.publication_models import Publication

PUBLISHED = "It is published. Take it down there first."
TO_BE_PUBLISHED = "It has a post on its site, or was asked to be published."
EDITED = "It was edited since."
MOVED = "Its status was changed since."
REGROUPED = "It was put into another cluster since."
WRITING = "It is being written just now."
CLUSTER_STAYS = "Its cluster stays."
CHILDREN = {
    "cluster": "Keywords or ideas of it stay.",
    "idea": "A task made from it stays.",
    "task": "An article made from it stays.",
}
CHILD = {
    "cluster": ("idea", Idea.cluster_id),
    "idea": ("task", Task.idea_id),
    "task": ("content", Content.task_id),
}
Key = tuple[str, int]


def used_by(run_id: int) -> str:
    return f"Run {run_id} has worked on it since."


@dataclass(frozen=True)
class UndoVerdict:
    """archive, or the status to give back (`restored`), or why it stays (`left`); none of them: nothing is to do.

    A record that the run made and that stays may get its status back. changes: how often the run had set it · keywords:
    those that leave the cluster with it.
    """

    record: Record
    archive: bool = False
    restored: str | None = None
    left: str = ""
    changes: int = 0
    keywords: Sequence[int] = ()


@dataclass
class Foreseen:
    """What an undo that is only looked at would have done by now."""

    gone: set[Key] = field(default_factory=set)
    statuses: dict[Key, str] = field(default_factory=dict)

    def add(self, record_type: str, verdict: UndoVerdict) -> None:
        key = (record_type, verdict.record.id)
        if verdict.archive:
            self.gone.add(key)
            self.statuses |= {("keyword", keyword): KeywordStatus.NEW for keyword in verdict.keywords}
        if verdict.restored:
            self.statuses[key] = verdict.restored


def decide(
    session: Session, run: UndoneRun, record_type: str, records: Sequence[Record], foreseen: Foreseen
) -> Iterator[UndoVerdict]:
    """The verdict on each of some records of one type; verdicts on their children must have been carried out."""
    ids = [record.id for record in records]
    moves = moves_of(session, run, record_type, ids)
    stays = _Stays(session, run, record_type, ids, foreseen)
    for record in records:
        if (record_type, record.id) in foreseen.statuses:
            continue
        yield (
            _of_made(record, moves, stays)
            if record.made_by_run_id == run.id
            else _of_moved(record, moves, stays)
        )


def _of_made(record: Record, moves: Moves, stays: "_Stays") -> UndoVerdict:
    fixed = stays.reason(record)
    left = (
        fixed or stays.because_of_use(record) or _touched(record, moves) or stays.because_of_children(record)
    )
    if not left:
        return UndoVerdict(record, archive=True, keywords=stays.keywords[record.id])
    return _with_status(record, moves, None if fixed else stays.status_back(record, moves), left)


def _of_moved(record: Record, moves: Moves, stays: "_Stays") -> UndoVerdict:
    fixed = stays.reason(record)
    status = None if fixed else stays.status_back(record, moves)
    return _with_status(record, moves, status, "" if status else fixed or stays.why_not(record, moves))


def _with_status(record: Record, moves: Moves, status: str | None, left: str) -> UndoVerdict:
    changes = moves.ours[record.id].changes if status else 0
    return UndoVerdict(record, restored=status, left=left, changes=changes)


def _touched(record: Record, moves: Moves) -> str:
    if record.id in moves.overtaken:
        by = moves.overtaken[record.id]
        return MOVED if by is None else used_by(by)
    return EDITED if record.version != record.made_version else ""


class _Stays:
    """What keeps records of one type from being undone."""

    def __init__(
        self, session: Session, run: UndoneRun, record_type: str, ids: Sequence[int], foreseen: Foreseen
    ) -> None:
        self.session, self.run, self.record_type, self.foreseen = session, run, record_type, foreseen
        self.used = _used_by_others(session, run, record_type, ids)
        self.published = _published(session, ids) if record_type == "content" else set()
        self.children: dict[int, list[str]] = self._children(ids)
        self.keywords: dict[int, list[int]] = defaultdict(list)
        self.keywords_stay: set[int] = set()
        if record_type == "cluster":
            self._sort_keywords(ids)

    def reason(self, record: Record) -> str:
        """Why it stays whatever the run did with it."""
        if record.status == ContentStatus.PUBLISHED:
            return PUBLISHED
        if record.id in self.published:
            return TO_BE_PUBLISHED
        if record.status == TaskStatus.WRITING:
            return WRITING
        return ""

    def because_of_use(self, record: Record) -> str:
        return used_by(self.used[record.id]) if record.id in self.used else ""

    def because_of_children(self, record: Record) -> str:
        stays = self.children[record.id] or record.id in self.keywords_stay
        return CHILDREN[self.record_type] if stays else ""

    def status_back(self, record: Record, moves: Moves) -> str | None:
        """The status to give back; None where it stays, or is back already."""
        move = moves.ours.get(record.id)
        if move is None or record.status != move.became or move.became == move.came_from:
            return None
        if move.is_aim:
            return move.came_from
        if isinstance(record, Keyword):
            return move.came_from if self._is_placed_by_us(record, move) else None
        if not self.children[record.id]:
            return move.came_from
        is_open = any(status in OPEN_IDEAS for status in self.children[record.id])
        closed = isinstance(record, Cluster) and move.became == ClusterStatus.DONE
        return ClusterStatus.PLANNED if closed and is_open else None

    def why_not(self, record: Record, moves: Moves) -> str:
        """Why a record that the run only moved keeps its status; empty where it has the former one."""
        move = moves.ours.get(record.id)
        if move is None:
            by = moves.overtaken.get(record.id)
            return MOVED if by is None else used_by(by)
        if record.status == move.came_from:
            return ""
        if record.status != move.became:
            return MOVED
        if isinstance(record, Keyword):
            return CLUSTER_STAYS if move.cluster_id in (None, record.cluster_id) else REGROUPED
        return CHILDREN.get(self.record_type, MOVED)

    def _is_placed_by_us(self, keyword: Keyword, move: Move) -> bool:
        """Whether it is still where the run put it, in a cluster that was there before."""
        if move.became != KeywordStatus.CLUSTERED:
            return True
        if move.cluster_id is not None and keyword.cluster_id != move.cluster_id:
            return False
        made_here = select(Cluster.id).where(
            Cluster.id == keyword.cluster_id, Cluster.made_by_run_id == self.run.id
        )
        return self.session.scalar(made_here) is None

    def _children(self, ids: Sequence[int]) -> dict[int, list[str]]:
        """The statuses of the children in use of each record."""
        found: dict[int, list[str]] = defaultdict(list)
        if self.record_type not in CHILD:
            return found
        child_type, parent = CHILD[self.record_type]
        model = MODELS[child_type]
        for chunk in chunks(ids):
            query = select(parent, model.id, model.status).where(parent.in_(chunk))
            for parent_id, child_id, status in self.session.execute(query):
                key = (child_type, child_id)
                if parent_id is not None and key not in self.foreseen.gone:
                    found[parent_id].append(self.foreseen.statuses.get(key, status))
        return found

    def _sort_keywords(self, ids: Sequence[int]) -> None:
        """Keywords leave a cluster with it where the run put them there and nobody has moved them since."""
        rows = []
        for chunk in chunks(ids):
            query = select(Keyword.id, Keyword.cluster_id, Keyword.status).where(
                Keyword.cluster_id.in_(chunk)
            )
            rows += list(self.session.execute(query))
        ours = moves_of(self.session, self.run, "keyword", [row.id for row in rows]).ours
        for row in rows:
            move = ours.get(row.id)
            if move and row.status == move.became and move.cluster_id in (None, row.cluster_id):
                self.keywords[row.cluster_id].append(row.id)
            else:
                self.keywords_stay.add(row.cluster_id)


def _used_by_others(
    session: Session, run: UndoneRun, record_type: str, ids: Sequence[int]
) -> Mapping[int, int]:
    """Record -> another run that holds it or has worked on it, and was not undone."""
    row, found = RuleRecord, dict[int, int]()
    rules = select(AutomationRule.id).where(AutomationRule.account_id == run.account_id)
    worked = exists().where(
        ActionRun.run_id == row.run_id,
        ActionRun.record_type == record_type,
        ActionRun.record_id == row.record_id,
        ActionRun.status != "left_out",
    )
    taken = select(row.record_id, row.run_id).join(ScheduledTask, ScheduledTask.id == row.run_id)
    taken = taken.where(
        ScheduledTask.undo_id.is_(None),
        row.account_id == run.account_id,
        row.rule_id.in_(rules),
        row.record_type == record_type,
        row.run_id != run.id,
        or_(row.state == "claimed", worked),
    )
    for chunk in chunks(ids):
        found |= dict(session.execute(taken.where(row.record_id.in_(chunk))).all())
    return found


def _published(session: Session, ids: Collection[int]) -> set[int]:
    query = select(Publication.content_id).where(Publication.content_id.in_(ids))
    return set(session.scalars(query))
