"""The pipeline from keyword to published article: what is in each stage, and what came to it lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CompoundSelect, Select, and_, case, func, literal, select, union_all
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
    """A kind of record, or published articles.

    came: those made, or published, this month · by_rules: those that runs of rules made in the period; of published
    ones all of the period.
    """

    key: str
    count: int
    came: int
    by_rules: int


@dataclass(frozen=True)
class Pipeline:
    """The stages in order, and how many articles wait for a person's check."""

    stages: Sequence[Stage]
    to_check: int

    def stage(self, key: str) -> Stage:
        return next(stage for stage in self.stages if stage.key == key)


def pipeline(session: Session, scope: Scope, month: datetime, period: datetime) -> Pipeline:
    """In one query, from the starts of the month and of the period. Rejected ideas and archived records are no part."""
    content = _counted("content", Content, scope, month, period).add_columns(
        func.count(case((Content.status.in_(TO_CHECK), 1)))
    )
    others = (
        _counted(key, MODELS[key], scope, month, period).add_columns(literal(0))
        for key in STAGES
        if key != "content"
    )
    out_since = (func.count(case((Content.status_since >= start, 1))) for start in (month, period))
    published = select(literal(PUBLISHED), func.count(), *out_since, literal(0)).where(
        scope.sees(Content), Content.status == ContentStatus.PUBLISHED, Content.archived_at.is_(None)
    )
    query: CompoundSelect[str, int, int, int, int] = union_all(*others, content, published)
    rows = {row[0]: row for row in session.execute(query)}
    stages = [Stage(key, *map(int, rows[key][1:4])) for key in (*STAGES, PUBLISHED)]
    return Pipeline(stages, int(rows["content"][4]))


def _counted(
    key: str, model: type[Record], scope: Scope, month: datetime, period: datetime
) -> Select[str, int, int, int]:
    by_rules = and_(model.created_at >= period, model.made_by_run_id.is_not(None))
    query = select(
        literal(key),
        func.count(),
        func.count(case((model.created_at >= month, 1))),
        func.count(case((by_rules, 1))),
    ).where(scope.sees(model), model.archived_at.is_(None))
    return query.where(model.status != IdeaStatus.REJECTED) if key == "idea" else query
