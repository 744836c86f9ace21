"""The pipeline from keyword to published article: what is in each stage, and what came to it lately.

Read from the sums of records and the changes that those do not contain yet, however many records there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.services.scope import Scope
from app.business.automation.record_total_models import (
    ARTICLES_TO_CHECK,
    PUBLISHED,
    RecordChange,
    RecordSpan,
    RecordSum,
)
from app.business.automation.services.history.record_sums import next_day, quarter_of
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyColumns, plain_rows
from app.business.words_as_text import words_as_text

STAGES = ("keyword", "cluster", "idea", "task", "content", PUBLISHED)
MONTH, MONTH_DAY, PERIOD, PERIOD_DAY, FIRST_DAY = (
    bindparam(name, type_=UtcDateTime())
    for name in ("month", "month_day", "period", "period_day", "first_day")
)
"""Of month and period: the quarter of an hour in which it begins, and the first whole day of UTC in it; the earlier of
both days."""
Number = ColumnElement[int] | InstrumentedAttribute[int]
KEPT = 64
"""Scopes for which a process keeps the query."""
NOTHING, NONE = literal_column("0", Integer), (0, 0, 0)


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
    """In one query, from the starts of the month and of the period: of the quarters of an hour in which they are.
    Rejected ideas and archived records are no part."""
    rows = plain_rows(session, _kept_counts(scope), moments(month, period))
    return pipeline_of({kind: numbers for kind, *numbers in rows})


def pipeline_of(found: Mapping[str, Sequence[int]]) -> Pipeline:
    """From the numbers of `stage_counts`."""
    stages = {key: Stage(key, *map(int, found.get(key, NONE)[:3])) for key in (*STAGES, ARTICLES_TO_CHECK)}
    return Pipeline([stages[key] for key in STAGES], stages[ARTICLES_TO_CHECK].count)


def moments(month: datetime, period: datetime) -> Mapping[str, datetime]:
    """The parameters of `stage_counts`."""
    days = {"month_day": next_day(month), "period_day": next_day(period)}
    return {"month": quarter_of(month), "period": quarter_of(period), "first_day": min(days.values()), **days}


@kept_queries(KEPT)
def _kept_counts(scope: Scope) -> AnyColumns:
    return words_as_text(stage_counts(scope))


def stage_counts(scope: Scope) -> AnyColumns:
    """Of each kind its number, those of the month, and those that rules made in the period; kinds of which there are
    none are left out."""
    of = _numbers(scope).subquery().c
    sums = (func.sum(of[name]) for name in ("count", "came", "by_rules"))
    return select(of.kind, *sums).group_by(of.kind)


def _numbers(scope: Scope) -> CompoundSelect[str, int, int, int]:
    kept, change, quarters = RecordSum, RecordChange, RecordSum.span == RecordSpan.QUARTER
    in_month, in_period = (
        case((kept.since >= start, number), else_=NOTHING)
        for start, number in ((MONTH_DAY, kept.records), (PERIOD_DAY, kept.by_rules))
    )
    came, by_rules = (
        case((change.made_at >= start, number), else_=NOTHING)
        for start, number in ((MONTH, change.records), (PERIOD, change.by_rules))
    )
    return union_all(
        _part(scope, kept, kept.records, NOTHING, NOTHING).where(kept.span == RecordSpan.ALL),
        _part(scope, kept, NOTHING, in_month, in_period).where(
            kept.span == RecordSpan.DAY, kept.since >= FIRST_DAY
        ),
        _part(scope, kept, NOTHING, kept.records, NOTHING).where(
            quarters, kept.since >= MONTH, kept.since < MONTH_DAY
        ),
        _part(scope, kept, NOTHING, NOTHING, kept.by_rules).where(
            quarters, kept.since >= PERIOD, kept.since < PERIOD_DAY
        ),
        _part(scope, change, change.records, came, by_rules),
    )


def _part(
    scope: Scope, source: type[RecordSum] | type[RecordChange], count: Number, came: Number, by_rules: Number
) -> Select[str, int, int, int]:
    numbers = (count.label("count"), came.label("came"), by_rules.label("by_rules"))
    return select(source.kind.label("kind"), *numbers).where(scope.sees(source))
