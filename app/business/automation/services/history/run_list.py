"""Lists of runs with filters; always within a scope."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.history.listed_runs import LISTED, ListedRun, listed_runs
from app.business.automation.services.history.run_filters import RunFilters, matching, narrowed
from app.business.base import Id, UtcDateTime
from app.business.kept_queries import KeptQuery, kept_queries
from app.business.paging import LastRow, Page, count_of, encode, first_part, keyset_page, page_of, row_of
from app.business.plain_rows import plain_rows
from app.business.ready_statements import Values
from app.business.settled_ids import all_committed
from app.business.words_as_text import limits_as_text

SEARCHED, SEARCHED_ON = 5_000, 50_000
"""Runs that the first page of a search looks at, in a fraction of the time of the page, and each one that somebody
turns to, who wants to know what is further back."""
PASSED = 4_000
"""Runs that one page by number looks at: programs ask for the next one at once."""
KEYS = (ScheduledTask.scheduled_at, ScheduledTask.id)

QUERIES = 512
"""Queries of pages that a process keeps ready: building one takes as long as its answer."""

SEARCHES = 64
"""Of searches: a text is hardly ever looked for twice."""
_NOW = bindparam("now", type_=UtcDateTime())
_LAST = (bindparam("last_at", type_=UtcDateTime()), bindparam("last_id", type_=Id))
_END = tuple_(bindparam("end_at", type_=UtcDateTime()), bindparam("end_id", type_=Id))

Moment = datetime | BindParameter[datetime]
Of = Any
"""Runs or columns of them: SQLAlchemy gives those of a query by name only."""
Shown = TypeVar("Shown")


def runs_page(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """Runs, newest first; planned ones in the future only with `filters.upcoming`.

    One query. Raises Invalid for a damaged cursor; Busy by id while others write.
    """
    if filters.by_id:
        return _page_by_id(session, scope, filters, cursor, limit, now)
    return _page(session, scope, filters, cursor, limit, now, ENTITIES)


def listed_page(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ListedRun]:
    """`runs_page` for pages, by time only."""
    return _page(session, scope, filters, cursor, limit, now, LINES)


class _Form(NamedTuple, Generic[Shown]):
    """How runs are read: as what columns, and by whom."""

    columns: tuple[Of, ...]
    read: Callable[[Session, KeptQuery[Select[Of]], Values], Sequence[Shown]]


ENTITIES = _Form((ScheduledTask,), lambda session, query, values: query.entities(session, values))
LINES = _Form(LISTED, listed_runs)


def _page(
    session: Session,
    scope: Scope,
    filters: RunFilters,
    cursor: str | None,
    limit: int,
    now: datetime,
    form: _Form[Shown],
) -> Page[Shown]:
    # Lists are no keys.
    key = replace(filters, status=(*filters.status,), rules=(*filters.rules,))
    last = _Last(*row_of(cursor, KEYS)) if cursor else None
    values = {"now": now} | (last._asdict() if last else {})
    end = _end_of_search(session, scope, key, values) if key.is_search else None
    query = (
        _ready_search(scope, key, limit, form.columns, last is not None, end is not None)
        if key.is_search
        else _ready_page(scope, key, limit, form.columns, last is not None)
    )
    found = form.read(session, query, values | (end._asdict() if end else {}))
    page = page_of(found, keys=KEYS, limit=limit, count=lambda: _number(session, scope, filters, now))
    return page if page.next_cursor or end is None else replace(page, next_cursor=encode([*end]))


class _Last(NamedTuple):
    """The last run of the page before, as parameters of the query of the next."""

    last_at: datetime
    last_id: int


@kept_queries(QUERIES)
def _ready_page(
    scope: Scope, filters: RunFilters, limit: int, columns: tuple[Of, ...], is_later: bool
) -> Select[Of]:
    """is_later: after another page."""
    return limits_as_text(
        page_query(scope, filters, _LAST if is_later else None, limit, _NOW, columns=columns)
    )


@kept_queries(SEARCHES)
def _ready_search(
    scope: Scope, filters: RunFilters, limit: int, columns: tuple[Of, ...], is_later: bool, has_end: bool
) -> Select[Of]:
    """The same of a search."""
    also, last = _searched(filters, has_end), _LAST if is_later else None
    return limits_as_text(page_query(scope, filters, last, limit, _NOW, columns=columns, also=also))


@kept_queries(SEARCHES)
def _passed(scope: Scope, filters: RunFilters, is_later: bool, most: int) -> Select[datetime, int]:
    """The query of the last of the next `most` runs, and of the one after it."""
    query = page_query(scope, filters, _LAST if is_later else None, most, _NOW, columns=KEYS)
    return query.offset(most - 1).limit(2)


def _page_by_id(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """In the order in which they were opened, which follows runs as they arrive: none is opened before a page's end.

    By time this cannot be had: a run may be opened for a time that is over. No index has both that order and what is
    filtered, so a page looks at the next PASSED runs only, like that of a search.
    """
    run = ScheduledTask
    branches = [and_(*branch) for branch in _branches(scope, filters, now)]
    query = select(run).where(scope.sees(run), *narrowed(filters), *matching(filters), or_(*branches))
    is_settled = all_committed(session, run.id.expression)
    all_of_account = select(run.id).where(run.account_id == scope.account_id, is_settled)
    following = all_of_account.where(run.id > row_of(cursor, [run.id])[0]) if cursor else all_of_account
    ends = session.scalars(following.order_by(run.id).offset(PASSED - 1).limit(2)).all()
    is_more = len(ends) > 1
    part = query.where(run.id <= ends[0]) if is_more else query
    page = keyset_page(session, part, keys=[run.id], cursor=cursor, limit=limit, oldest=True)
    next_cursor = page.next_cursor or (encode([ends[0]]) if is_more else None)
    return Page(page.rows, next_cursor, lambda: count_of(session, query, run.id.expression))


class _End(NamedTuple):
    """The last run that a page of a search looks at, as parameters of its query."""

    end_at: datetime
    end_id: int


def _end_of_search(session: Session, scope: Scope, filters: RunFilters, values: Values) -> _End | None:
    """None where fewer runs are left. The search can go on from there: a page may be short, or empty, and be followed
    by others."""
    is_later = "last_id" in values
    most = SEARCHED_ON if is_later else SEARCHED
    ends = plain_rows(session, _passed(scope, filters, is_later, most), values)
    return _End(*ends[0]) if len(ends) > 1 else None


def _searched(filters: RunFilters, has_end: bool) -> list[ColumnElement[bool]]:
    """The clauses of those runs that match, until the end of this page of a search."""
    found = [*matching(filters)]
    if has_end:
        found.append(tuple_(*KEYS) <= _END if filters.oldest else tuple_(*KEYS) >= _END)
    return found


def _ordered(run: Of, *, oldest: bool) -> tuple[ColumnElement[datetime], ColumnElement[int]]:
    keys = (run.scheduled_at, run.id)
    return keys[0].asc() if oldest else keys[0].desc(), keys[1].asc() if oldest else keys[1].desc()


def page_query(
    scope: Scope,
    filters: RunFilters,
    last: LastRow | None,
    limit: int,
    now: Moment,
    *,
    columns: Sequence[Of] = (ScheduledTask,),
    also: Sequence[ColumnElement[bool]] = (),
) -> Select[Of]:
    """The query of `runs_page`: one run more than `limit`, of those for which `also` holds, after the run `last`."""
    branches = _branches(scope, filters, now)
    chosen = select(*(columns if len(branches) == 1 else KEYS)).where(
        scope.sees(ScheduledTask), *narrowed(filters), *also
    )
    parts: list[Select[Of]] = [
        first_part(chosen.where(*branch), keys=KEYS, last=last, limit=limit, oldest=filters.oldest)
        for branch in branches
    ]
    return parts[0] if len(parts) == 1 else _merged(parts, columns, limit, filters.oldest)


def _number(session: Session, scope: Scope, filters: RunFilters, now: datetime) -> int:
    counted = select(func.count(ScheduledTask.id)).where(
        scope.sees(ScheduledTask), *narrowed(filters), *matching(filters)
    )
    # No run has two rules or two statuses.
    return sum(session.scalar(counted.where(*branch)) or 0 for branch in _branches(scope, filters, now))


def _branches(scope: Scope, filters: RunFilters, now: Moment) -> list[list[ColumnElement[bool]]]:
    """The clauses for each combination of rule and status: each is answered from one index."""
    ended_without_success = (Status.FAILED, Status.SKIPPED)
    every = tuple(Status) if filters.rules or filters.cause or filters.site else (None,)
    statuses = filters.status or (ended_without_success if filters.reason else every)
    return [
        [
            *_of_rule_id(rule_id),
            *_in_status(status, filters.upcoming, now),
            *_while_reason_occurs(scope, filters, status),
        ]
        for rule_id, status in product(dict.fromkeys(filters.rules) or (None,), dict.fromkeys(statuses))
    ]


def _of_rule_id(rule_id: int | None) -> Iterator[ColumnElement[bool]]:
    if rule_id is not None:
        yield ScheduledTask.automation_rule_id == rule_id


def _while_reason_occurs(
    scope: Scope, filters: RunFilters, status: str | None
) -> Iterator[ColumnElement[bool]]:
    """For a reason with another filter, whose index is searched: of a rare reason it then reads next to nothing."""
    if filters.reason and (filters.rules or filters.cause or filters.site or filters.user):
        run = aliased(ScheduledTask)
        times = select(run.scheduled_at).where(
            run.account_id == scope.account_id, run.status == status, run.reason == filters.reason
        )
        first, last = (
            times.order_by(order).limit(1).scalar_subquery()
            for order in (run.scheduled_at.asc(), run.scheduled_at.desc())
        )
        yield ScheduledTask.scheduled_at.between(first, last)


def _in_status(status: str | None, upcoming: bool, now: Moment) -> Iterator[ColumnElement[bool]]:
    is_due = ScheduledTask.scheduled_at <= now
    if status is not None:
        yield ScheduledTask.status == status
    if status == Status.PENDING and not upcoming:
        yield is_due
    if status is None and not upcoming:
        # In this order, for the index of times has no status: the rows of those that are due are not looked at.
        yield or_(is_due, ScheduledTask.status != Status.PENDING)


def _merged(parts: Sequence[Select[Of]], columns: Sequence[Of], limit: int, oldest: bool) -> Select[Of]:
    """By keys first, so that only the rows of the page are fetched, not those of each part."""
    every = union_all(*(select(part.subquery()) for part in parts)).subquery().c
    ids = select(every.id).order_by(*_ordered(every, oldest=oldest)).limit(limit + 1)
    return select(*columns).where(ScheduledTask.id.in_(ids)).order_by(*_ordered(ScheduledTask, oldest=oldest))
