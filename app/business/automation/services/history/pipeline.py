"""The pipeline from keyword to published article: what is in each stage, and what came to it lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.planner.models import IdeaStatus, Record
from app.business.writer.models import Content, ContentStatus

PUBLISHED = "published"
STAGES = ("keyword", "cluster", "idea", "task", "content")
TO_CHECK = (ContentStatus.DRAFT, ContentStatus.REVIEW)


@dataclass(frozen=True)
class Stage:
    """A kind of record, or published articles. came: those made, or published, since the start of the period."""

    key: str
    count: int
    came: int


@dataclass(frozen=True)
class Pipeline:
    """The stages in order, and how many articles wait for a person's check."""

    stages: Sequence[Stage]
    to_check: int

    def stage(self, key: str) -> Stage:
        return next(stage for stage in self.stages if stage.key == key)


def pipeline(session: Session, scope: Scope, since: datetime) -> Pipeline:
    """In one query. Rejected ideas and archived records are no part of it."""
    content = _counted("content", Content, scope, since).add_columns(
        func.count(case((Content.status.in_(TO_CHECK), 1)))
    )
    others = (
        _counted(key, MODELS[key], scope, since).add_columns(literal(0)) for key in STAGES if key != "content"
    )
    came = and_(Content.status_since >= since, Content.status == ContentStatus.PUBLISHED)
    published = select(literal(PUBLISHED), func.count(), func.count(case((came, 1))), literal(0)).where(
        scope.sees(Content), Content.status == ContentStatus.PUBLISHED, Content.archived_at.is_(None)
    )
    rows = {key: row for key, *row in session.execute(union_all(*others, content, published))}
    stages = [Stage(key, *map(int, rows[key][:2])) for key in (*STAGES, PUBLISHED)]
    return Pipeline(stages, int(rows["content"][2]))


def _counted(key: str, model: type[Record], scope: Scope, since: datetime) -> Select[str, int, int]:
    query = select(literal(key), func.count(), func.count(case((model.created_at >= since, 1)))).where(
        scope.sees(model), model.archived_at.is_(None)
    )
    return query.where(model.status != IdeaStatus.REJECTED) if key == "idea" else query
