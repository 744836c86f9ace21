"""Lists of runs with filters; always within a scope."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import product
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.automation.services.history.listed_runs import LISTED, ListedRun, listed_runs
from app.business.base import UtcDateTime
from app.business.likelihood import unindexed
from app.business.paging import Page, count_of, encode, first_part, keyset_page, page_of
from app.business.plain_rows import plain_rows
from app.business.settled_ids import all_committed
from app.business.sql_functions import position, seconds_between

SEARCHED = 10_000
"""Runs that one page of a search looks at."""
PASSED = 4_000
"""Runs that one page by number looks at: programs ask for the next one at once."""
MOST_DIGITS = 19
BY_RARER_CAUSE = ScheduledTask.cause != literal_column("'event'")
"""The condition of the indexes of causes with a rule or a site, word for word: else SQLite cannot tell that it may use
them."""
KEYS = (ScheduledTask.scheduled_at, ScheduledTask.id)

QUERIES = 512
"""Queries of first pages that a process keeps ready: building one takes as long as its answer."""

Moment = datetime | BindParameter[datetime]
Of = Any
"""Runs or columns of them: SQLAlchemy gives those of a query by name only."""
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class RunFilters:
    """Filters of a list of runs; empty ones match all. `after` <= scheduled_at < `before`.

    `practised`: only practice runs, or all others. `oldest`: oldest first · by_id: in the order in which they were
    opened · user: who started it · text: in the rule's name or what the run says, or the run's number · took_min:
    seconds from start to end. The last four are looked for run by run, in the first runs that fit the others.
    """

    status: Sequence[str] = ()
    rules: Sequence[int] = ()
    after: datetime | None = None
    before: datetime | None = None
    cause: str | None = None
    reason: str | None = None
    practised: bool | None = None
    upcoming: bool = False
    oldest: bool = False
    by_id: bool = False
    site: int | None = None
    user: int | None = None
    text: str | None = None
    cost_min: int | None = None
    cost_max: int | None = None
    took_min: float | None = None

    @property
    def is_search(self) -> bool:
        """Whether no index answers it."""
        return bool(self.text) or any(
            bound is not None for bound in (self.cost_min, self.cost_max, self.took_min)
        )


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
    read: Callable[[Session, Select[Of], dict[str, datetime]], Sequence[Shown]]


ENTITIES = _Form((ScheduledTask,), lambda session, query, values: session.scalars(query, values).all())
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
    also, following = _searched(session, scope, filters, cursor, now) if filters.is_search else ((), None)
    if cursor is None and not filters.is_search:
        # Lists are no keys.
        key = replace(filters, status=(*filters.status,), rules=(*filters.rules,))
        found = form.read(session, _first_page(scope, key, limit, form.columns), {"now": now})
    else:
        query = page_query(scope, filters, cursor, limit, now, columns=form.columns, also=also)
        found = form.read(session, query, {})
    page = page_of(found, keys=KEYS, limit=limit, count=lambda: _number(session, scope, filters, now))
    return page if page.next_cursor else replace(page, next_cursor=following)


@lru_cache(maxsize=QUERIES)
def _first_page(scope: Scope, filters: RunFilters, limit: int, columns: tuple[Of, ...]) -> Select[Of]:
    """The query of a first page, as of the parameter `now`."""
    return page_query(scope, filters, None, limit, bindparam("now", type_=UtcDateTime()), columns=columns)


def _page_by_id(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """In the order in which they were opened, which follows runs as they arrive: none is opened before a page's end.

    By time this cannot be had: a run may be opened for a time that is over. No index has both that order and what is
    filtered, so a page looks at the next PASSED runs only, like that of a search.
    """
    run = ScheduledTask
    branches = [and_(*branch) for branch in _branches(scope, filters, now)]
    query = select(run).where(scope.sees(run), *_narrowed(filters), *_matching(filters, run), or_(*branches))
    is_settled = all_committed(session, run.id.expression)
    all_of_account = select(run.id).where(run.account_id == scope.account_id, is_settled)
    passed = first_part(all_of_account, keys=[run.id], cursor=cursor, limit=PASSED, oldest=True)
    last = session.scalars(passed.offset(PASSED - 1).limit(2)).all()
    is_more = len(last) > 1
    part = query.where(run.id <= last[0]) if is_more else query
    page = keyset_page(session, part, keys=[run.id], cursor=cursor, limit=limit, oldest=True)
    following = page.next_cursor or (encode([last[0]]) if is_more else None)
    return Page(page.rows, following, lambda: count_of(session, query, run.id.expression))


def _searched(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, now: datetime
) -> tuple[list[ColumnElement[bool]], str | None]:
    """The clauses of those of the next SEARCHED runs that match, and the cursor from which the search can go on.

    So a page may be short, or empty, and be followed by others.
    """
    passed = page_query(scope, filters, cursor, SEARCHED, now, columns=KEYS).offset(SEARCHED - 1).limit(2)
    last = plain_rows(session, passed)
    matching = [*_matching(filters, ScheduledTask)]
    if len(last) < 2:
        return matching, None
    end = tuple(last[0])
    matching.append(tuple_(*KEYS) <= end if filters.oldest else tuple_(*KEYS) >= end)
    return matching, encode(list(last[0]))


def _ordered(run: Of, *, oldest: bool) -> tuple[ColumnElement[datetime], ColumnElement[int]]:
    keys = (run.scheduled_at, run.id)
    return keys[0].asc() if oldest else keys[0].desc(), keys[1].asc() if oldest else keys[1].desc()


def page_query(
    scope: Scope,
    filters: RunFilters,
    cursor: str | None,
    limit: int,
    now: Moment,
    *,
    columns: Sequence[Of] = (ScheduledTask,),
    also: Sequence[ColumnElement[bool]] = (),
) -> Select[Of]:
    """The query of `runs_page`: one run more than `limit`, of those for which `also` holds."""
    branches = _branches(scope, filters, now)
    chosen = select(*(columns if len(branches) == 1 else KEYS)).where(
        scope.sees(ScheduledTask), *_narrowed(filters), *also
    )
    parts: list[Select[Of]] = [
        first_part(chosen.where(*branch), keys=KEYS, cursor=cursor, limit=limit, oldest=filters.oldest)
        for branch in branches
    ]
    return parts[0] if len(parts) == 1 else _merged(parts, columns, limit, filters.oldest)


def _number(session: Session, scope: Scope, filters: RunFilters, now: datetime) -> int:
    counted = select(func.count(ScheduledTask.id)).where(
        scope.sees(ScheduledTask), *_narrowed(filters), *_matching(filters, ScheduledTask)
    )
    # No run has two rules or two statuses.
    return sum(session.scalar(counted.where(*branch)) or 0 for branch in _branches(scope, filters, now))


def failed_runs(scope: Scope, filters: RunFilters, failed_by: datetime) -> list[ColumnElement[bool]]:
    """Clauses of the failed runs that match the filters, as of `failed_by`."""
    asked_for = not filters.status or Status.FAILED in filters.status
    of_rules = [ScheduledTask.automation_rule_id.in_(filters.rules)] if filters.rules else []
    return [
        scope.sees(ScheduledTask),
        ScheduledTask.status == Status.FAILED,
        ScheduledTask.finished_at <= failed_by,
        ScheduledTask.undo_id.is_(None),
        *of_rules,
        *_narrowed(filters),
        *_matching(filters, ScheduledTask),
        *([] if asked_for else [false()]),
    ]


def _narrowed(filters: RunFilters) -> Iterator[ColumnElement[bool]]:
    if filters.after:
        yield ScheduledTask.scheduled_at >= filters.after
    if filters.before:
        yield ScheduledTask.scheduled_at < filters.before
    rarer = filters.cause not in (None, Cause.EVENT)
    equal = {
        ScheduledTask.cause: filters.cause,
        ScheduledTask.reason: filters.reason,
        ScheduledTask.site_id: filters.site,
    }
    for column, value in equal.items():
        if value:
            # Of a rule there are fewer runs than of anything else, and its indexes answer the other filters.
            yield (unindexed(column) if filters.rules and not rarer else column) == value
    if rarer and (filters.rules or filters.site):
        yield BY_RARER_CAUSE
    if filters.user:
        yield ScheduledTask.user_id == filters.user
    if filters.cost_min:
        # The index of runs that used credits.
        yield ScheduledTask.credits_used > 0
    if filters.practised is not None:
        # Without a function around it, the reason is looked up in an index.
        is_practised = ScheduledTask.reason == Reason.SHADOW
        yield is_practised if filters.practised else ScheduledTask.reason.is_distinct_from(Reason.SHADOW)


def _matching(filters: RunFilters, run: Of) -> Iterator[ColumnElement[bool]]:
    if filters.text:
        wanted = filters.text.lower()
        texts = (run.rule_name, run.error_message, cast(run.result, String))
        numbered = [run.id == int(wanted)] if wanted.isdecimal() and len(wanted) < MOST_DIGITS else []
        yield or_(*(position(func.lower(text), wanted) > 0 for text in texts), *numbered)
    if filters.cost_min is not None:
        yield run.credits_used >= filters.cost_min
    if filters.cost_max is not None:
        yield run.credits_used <= filters.cost_max
    if filters.took_min is not None:
        yield seconds_between(run.started_at, run.finished_at) >= filters.took_min


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
        yield or_(ScheduledTask.status != Status.PENDING, is_due)


def _merged(parts: Sequence[Select[Of]], columns: Sequence[Of], limit: int, oldest: bool) -> Select[Of]:
    """By keys first, so that only the rows of the page are fetched, not those of each part."""
    every = union_all(*(select(part.subquery()) for part in parts)).subquery().c
    ids = select(every.id).order_by(*_ordered(every, oldest=oldest)).limit(limit + 1)
    return select(*columns).where(ScheduledTask.id.in_(ids)).order_by(*_ordered(ScheduledTask, oldest=oldest))
