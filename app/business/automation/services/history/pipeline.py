"""The pipeline from keyword to published article: what is in each stage, and what came to it lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CompoundSelect, Select, and_, bindparam, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.plain_rows import plain_rows
from app.business.planner.models import IdeaStatus, Record
from app.business.words_as_text import words_as_text
from app.business.writer.models import Content, ContentStatus

PUBLISHED = "published"
STAGES = ("keyword", "cluster", "idea", "task", "content")
TO_CHECK = (ContentStatus.DRAFT, ContentStatus.REVIEW)
MONTH, PERIOD = (bindparam(name, type_=UtcDateTime()) for name in ("month", "period"))
KEPT = 64
"""Scopes for which a process keeps the query."""


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
    rows = {row[0]: row for row in plain_rows(session, _stages(scope), {"month": month, "period": period})}
    stages = [Stage(key, *map(int, rows[key][1:4])) for key in (*STAGES, PUBLISHED)]
    return Pipeline(stages, int(rows["content"][4]))


@kept_queries(KEPT)
def _stages(scope: Scope) -> CompoundSelect[str, int, int, int, int]:
    """Its parameters are the starts of month and period."""
    content = _counted("content", Content, scope).add_columns(
        func.count(case((Content.status.in_(TO_CHECK), 1)))
    )
    others = (_counted(key, MODELS[key], scope).add_columns(literal(0)) for key in STAGES if key != "content")
    out_since = (func.count(case((Content.status_since >= start, 1))) for start in (MONTH, PERIOD))
    published = select(literal(PUBLISHED), func.count(), *out_since, literal(0)).where(
        scope.sees(Content), Content.status == ContentStatus.PUBLISHED, Content.archived_at.is_(None)
    )
    return words_as_text(union_all(*others, content, published))


def _counted(key: str, model: type[Record], scope: Scope) -> Select[str, int, int, int]:
    by_rules = and_(model.created_at >= PERIOD, model.made_by_run_id.is_not(None))
    query = select(
        literal(key),
        func.count(),
        func.count(case((model.created_at >= MONTH, 1))),
        func.count(case((by_rules, 1))),
    ).where(scope.sees(model), model.archived_at.is_(None))
    return query.where(model.status != IdeaStatus.REJECTED) if key == "idea" else query
