"""The pipeline from keyword to published article: what is in each stage, and what came to it lately."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, func, literal_column, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyColumns, AnyUnion, plain_rows
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
    rows = plain_rows(session, _stages(scope), {"month": month, "period": period})
    return pipeline_of({key: counts for key, *counts in rows})


def pipeline_of(found: Mapping[str, Sequence[int]]) -> Pipeline:
    """From the numbers of `stage_counts`."""
    stages = [Stage(key, *map(int, found[key][:3])) for key in (*STAGES, PUBLISHED)]
    return Pipeline(stages, int(found["content"][3]))


@kept_queries(KEPT)
def _stages(scope: Scope) -> AnyUnion:
    return words_as_text(union_all(*stage_counts(scope)))


def stage_counts(scope: Scope) -> Iterator[AnyColumns]:
    """A query for each stage. Their parameters are the starts of month and period."""
    for key in STAGES:
        to_check = (
            func.count().filter(Content.status.in_(TO_CHECK)) if key == "content" else literal_column("0")
        )
        yield _counted(key, MODELS[key], scope).add_columns(to_check)
    out_since = (func.count().filter(Content.status_since >= start) for start in (MONTH, PERIOD))
    yield select(literal_column(f"'{PUBLISHED}'"), func.count(), *out_since, literal_column("0")).where(
        scope.sees(Content), Content.status == ContentStatus.PUBLISHED, Content.archived_at.is_(None)
    )


def _counted(key: str, model: type[Record], scope: Scope) -> AnyColumns:
    by_rules = and_(model.created_at >= PERIOD, model.made_by_run_id.is_not(None))
    query: AnyColumns = select(
        literal_column(f"'{key}'"),
        func.count(),
        func.count().filter(model.created_at >= MONTH),
        func.count().filter(by_rules),
    ).where(scope.sees(model), model.archived_at.is_(None))
    return query.where(model.status != IdeaStatus.REJECTED) if key == "idea" else query
