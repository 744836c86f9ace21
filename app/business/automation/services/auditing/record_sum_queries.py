"""Sums of records that differ from the records they were made of."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session

from app.business.automation.record_total_models import (
    ARTICLES_TO_CHECK,
    PUBLISHED,
    RecordChange,
    RecordSpan,
    RecordSum,
)
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.plain_rows import AnyColumns
from app.business.planner.models import Idea, IdeaStatus, Record
from app.business.writer.models import Content, ContentStatus

Row = tuple[int, str]
TO_CHECK = (ContentStatus.DRAFT, ContentStatus.REVIEW)
KINDS: Mapping[str, tuple[type[Record], ColumnElement[bool]]] = {
    **{key: (model, true()) for key, model in MODELS.items()},
    "idea": (Idea, Idea.status != IdeaStatus.REJECTED),
    PUBLISHED: (Content, Content.status == ContentStatus.PUBLISHED),
    ARTICLES_TO_CHECK: (Content, Content.status.in_(TO_CHECK)),
}
"""What is counted as each kind, of the records in use."""


def wrong_record_sums(session: Session, _now: datetime) -> Iterator[Row]:
    """Account, site and kind of each sum that, with the changes still to be added, is not the number of its records,
    and of those whose days or quarters of an hour do not make up the sum of all."""
    for kind in KINDS:
        for account_id, site_id, *more in session.execute(_more_records(kind)):
            yield account_id, f"site {site_id} {kind}: {' '.join(f'{int(number):+d}' for number in more)}"
    for account_id, site_id, kind in session.execute(_parts_that_differ()):
        yield account_id, f"site {site_id} {kind}: days"


def _more_records(kind: str) -> AnyColumns:
    """How many more records, and how many more by rules, each sum says than there are. One statement, so that all are
    of the same moment."""
    kept, change, (model, counted) = RecordSum, RecordChange, KINDS[kind]
    by_rules = func.count() if kind == PUBLISHED else func.count(model.made_by_run_id)
    place = (model.account_id, model.site_id)
    there = select(*place, -func.count(), -by_rules).where(model.archived_at.is_(None), counted)
    of_all, changes = (
        select(source.account_id, source.site_id, source.records, source.by_rules).where(source.kind == kind)
        for source in (kept, change)
    )
    of = union_all(of_all.where(kept.span == RecordSpan.ALL), changes, there.group_by(*place)).subquery().c
    key, more = (of.account_id, of.site_id), (func.sum(of.records), func.sum(of.by_rules))
    return select(*key, *more).group_by(*key).having(or_(*(number != 0 for number in more))).order_by(*key)


def _parts_that_differ() -> Select[int, int, str]:
    kept = RecordSum
    key = (kept.account_id, kept.site_id, kept.kind)
    differs = (
        func.sum(case((kept.span == RecordSpan.ALL, number), (kept.span == span, -number), else_=literal(0)))
        != 0
        for span in (RecordSpan.DAY, RecordSpan.QUARTER)
        for number in (kept.records, kept.by_rules)
    )
    return select(*key).group_by(*key).having(or_(*differs)).order_by(*key)
