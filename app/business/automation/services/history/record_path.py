"""The way of a record through the pipeline: what it comes from, and what has come of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.catalogue.fields import parent_of
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.match_preview import title_of
from app.business.planner.models import Keyword, Record

CHAIN = ("cluster", "idea", "task", "content")
"""Each comes from the one before; keywords lie in the first."""


@dataclass(frozen=True)
class PathStep:
    """The records of one type on the way. record: the only one there is · count: how many there are."""

    type: str
    count: int = 0
    record: Record | None = None
    is_here: bool = False

    @property
    def name(self) -> str:
        """What the only one is called; empty where there are none or several."""
        return title_of(self.record) if self.record else ""


def record_path(session: Session, scope: Scope, record: Record, record_type: str) -> list[PathStep]:
    """One step for each type of record, from keyword to article, with what `scope` sees of them."""
    above = {
        type: PathStep(type, 1, one, one is record) for type, one in _up(session, scope, record, record_type)
    }
    start = above.get("cluster") if record_type == "keyword" else above[record_type]
    steps = above | {step.type: step for step in _down(session, scope, start)}
    cluster = above.get("cluster")
    if "keyword" not in steps and cluster and cluster.record:
        steps["keyword"] = _counted(
            session, "keyword", and_(scope.sees(Keyword), Keyword.cluster_id == cluster.record.id)
        )
    return [steps.get(type, PathStep(type)) for type in MODELS]


def _up(session: Session, scope: Scope, record: Record, record_type: str) -> Iterator[tuple[str, Record]]:
    """The record and its ancestors, as far as they are there."""
    at: Record | None = record
    while at is not None:
        yield record_type, at
        if (parent := parent_of(record_type)) is None:
            return
        record_type, column = parent
        model, id = MODELS[record_type], getattr(at, column)
        at = session.scalar(select(model).where(scope.sees(model), model.id == id)) if id else None


def _down(session: Session, scope: Scope, start: PathStep | None) -> Iterator[PathStep]:
    """What has come of it, level by level."""
    if start is None or start.record is None:
        return
    ids = select(MODELS[start.type].id).where(MODELS[start.type].id == start.record.id)
    for type in CHAIN[CHAIN.index(start.type) + 1 :]:
        model, (_, column) = MODELS[type], parent_of(type) or ("", "")
        clause = and_(scope.sees(model), getattr(model, column).in_(ids))
        yield _counted(session, type, clause)
        ids = select(model.id).where(clause)


def _counted(session: Session, type: str, clause: ColumnElement[bool]) -> PathStep:
    model = MODELS[type]
    first = session.scalars(select(model).where(clause).order_by(model.id).limit(2)).all()
    if len(first) < 2:
        return PathStep(type, len(first), first[0] if first else None)
    return PathStep(type, session.scalar(select(func.count()).select_from(model).where(clause)) or 0)
