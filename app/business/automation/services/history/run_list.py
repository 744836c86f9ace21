"""Lists of runs with filters, and each rule's figures; always within a scope."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    ScalarSelect,
    Select,
    String,
    and_,
    cast,
    false,
    func,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.models import AutomationRule, RuleDay, RuleVersion
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.history.next_starts import next_starts
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.sentence import summary_of
from app.business.paging import Page, encode, first_part, keyset_page, page_of
from app.business.periods import Period, last_days
from app.business.sql_functions import position, seconds_between

FAILURES_WITHIN = 7
"""Days, including today."""
SEARCHED = 10_000
"""Runs that one page of a search looks at."""
MOST_DIGITS = 19
T = TypeVar("T")
KEYS = (ScheduledTask.scheduled_at, ScheduledTask.id)


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


@dataclass(frozen=True)
class RuleFigures:
    """Figures of one rule in lists. Times are None when there is no such run."""

    last_run: ScheduledTask | None
    last_executed_at: datetime | None
    last_success_at: datetime | None
    failures: int
    runs_today: int
    next_run_at: datetime | None


def runs_page(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """Runs, newest first; planned ones in the future only with `filters.upcoming`.

    One query. Raises Invalid for a damaged cursor; Busy by id while others write.
    """
    if filters.by_id:
        return _page_by_id(session, scope, filters, cursor, limit, now)
    if filters.is_search:
        return _searched_page(session, scope, filters, cursor, limit, now)
    query = page_query(scope, filters, cursor, limit, now)
    return page_of(
        session.scalars(query).all(),
        keys=KEYS,
        limit=limit,
        count=lambda: _number(session, scope, filters, now),
    )


def _page_by_id(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """In the order in which they were opened, which follows runs as they arrive: none is opened before a page's end.

    By time this cannot be had: a run may be opened for a time that is over.
    """
    branches = [and_(*branch) for branch in _branches(filters, now)]
    query = select(ScheduledTask).where(
        scope.sees(ScheduledTask), *_narrowed(filters), *_matching(filters, ScheduledTask), or_(*branches)
    )
    return keyset_page(session, query, keys=[ScheduledTask.id], cursor=cursor, limit=limit, oldest=True)


def _searched_page(
    session: Session, scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Page[ScheduledTask]:
    """Those of the next SEARCHED runs that match. The page may be short, or empty, and the search go on after it."""
    base = page_query(scope, filters, cursor, SEARCHED, now)
    run = aliased(ScheduledTask, base.limit(SEARCHED).subquery())
    query = select(run).where(*_matching(filters, run)).order_by(*_ordered(run, filters)).limit(limit + 1)
    found = session.scalars(query).all()

    def count() -> int:
        return _number(session, scope, filters, now)

    if len(found) > limit:
        return page_of(found, keys=KEYS, limit=limit, count=count)
    seen = aliased(ScheduledTask, base.subquery())
    ends = select(seen.scheduled_at, seen.id).order_by(*_ordered(seen, filters)).offset(SEARCHED - 1).limit(2)
    last = session.execute(ends).all()
    return Page(found, encode(list(last[0])) if len(last) > 1 else None, count)


def _ordered(
    run: type[ScheduledTask], filters: RunFilters
) -> tuple[ColumnElement[datetime], ColumnElement[int]]:
    if filters.oldest:
        return run.scheduled_at.asc(), run.id.asc()
    return run.scheduled_at.desc(), run.id.desc()


def page_query(
    scope: Scope, filters: RunFilters, cursor: str | None, limit: int, now: datetime
) -> Select[ScheduledTask]:
    """The query of `runs_page`: one run more than `limit`."""
    branches = _branches(filters, now)
    chosen = select(ScheduledTask).where(scope.sees(ScheduledTask), *_narrowed(filters))
    parts = [
        first_part(chosen.where(*branch), keys=KEYS, cursor=cursor, limit=limit, oldest=filters.oldest)
        for branch in branches
    ]
    if len(parts) == 1:
        return parts[0]
    return _merged([part.with_only_columns(ScheduledTask.id) for part in parts], limit, filters.oldest)


def _number(session: Session, scope: Scope, filters: RunFilters, now: datetime) -> int:
    counted = select(func.count(ScheduledTask.id)).where(
        scope.sees(ScheduledTask), *_narrowed(filters), *_matching(filters, ScheduledTask)
    )
    # No run has two rules or two statuses.
    return sum(session.scalar(counted.where(*branch)) or 0 for branch in _branches(filters, now))


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


def sentences_of(
    session: Session, account_id: int, runs: Sequence[ScheduledTask]
) -> dict[tuple[int, int], str]:
    """(rule, version) -> the rule in words when these runs were opened; one query."""
    pairs = {(run.automation_rule_id, run.rule_version) for run in runs}
    query = select(RuleVersion.rule_id, RuleVersion.version, RuleVersion.definition).where(
        RuleVersion.account_id == account_id, tuple_(RuleVersion.rule_id, RuleVersion.version).in_(pairs)
    )
    rows = session.execute(query) if pairs else ()
    return {(rule_id, number): summary_of(definition_from(said)) for rule_id, number, said in rows}


def rule_figures(
    session: Session, account_id: int, rule_ids: Sequence[int], now: datetime
) -> dict[int, RuleFigures]:
    """Figures of those of the account's rules, in two queries whatever their number; more where it has calendars."""
    week = last_days(FAILURES_WITHIN, session.get_one(Account, account_id).timezone, now)
    rows = session.execute(_figures(account_id, rule_ids, week, now)).mappings().all()
    latest = [row[status] for row in rows for status in Status if row[status]]
    known = select(ScheduledTask).where(ScheduledTask.account_id == account_id, ScheduledTask.id.in_(latest))
    runs: dict[int, list[ScheduledTask]] = {}
    for run in session.scalars(known):
        runs.setdefault(run.automation_rule_id, []).append(run)
    ahead = {
        row["id"] for row in rows if row["unplanned_from"] and not row["planned_at"] and row["has_calendars"]
    }
    starts = next_starts(session, account_id, ahead) if ahead else {}
    return {row["id"]: _figures_of(row, runs.get(row["id"], []), starts) for row in rows}


def _narrowed(filters: RunFilters) -> Iterator[ColumnElement[bool]]:
    if filters.after:
        yield ScheduledTask.scheduled_at >= filters.after
    if filters.before:
        yield ScheduledTask.scheduled_at < filters.before
    if filters.cause:
        yield ScheduledTask.cause == filters.cause
    if filters.reason:
        yield ScheduledTask.reason == filters.reason
    if filters.site:
        yield ScheduledTask.site_id == filters.site
    if filters.user:
        yield ScheduledTask.user_id == filters.user
    if filters.practised is not None:
        # Without a function around it, the reason is looked up in an index.
        is_practised = ScheduledTask.reason == Reason.SHADOW
        yield is_practised if filters.practised else ScheduledTask.reason.is_distinct_from(Reason.SHADOW)


def _matching(filters: RunFilters, run: type[ScheduledTask]) -> Iterator[ColumnElement[bool]]:
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


def _branches(filters: RunFilters, now: datetime) -> list[list[ColumnElement[bool]]]:
    """The clauses for each combination of rule and status: each is answered from one index."""
    ended_without_success = (Status.FAILED, Status.SKIPPED)
    every = tuple(Status) if filters.rules or filters.cause or filters.site else (None,)
    statuses = filters.status or (ended_without_success if filters.reason else every)
    return [
        [*_of_rule_id(rule_id), *_in_status(status, filters.upcoming, now)]
        for rule_id, status in product(dict.fromkeys(filters.rules) or (None,), dict.fromkeys(statuses))
    ]


def _of_rule_id(rule_id: int | None) -> Iterator[ColumnElement[bool]]:
    if rule_id is not None:
        yield ScheduledTask.automation_rule_id == rule_id


def _in_status(status: str | None, upcoming: bool, now: datetime) -> Iterator[ColumnElement[bool]]:
    is_due = ScheduledTask.scheduled_at <= now
    if status is not None:
        yield ScheduledTask.status == status
    if status == Status.PENDING and not upcoming:
        yield is_due
    if status is None and not upcoming:
        yield or_(ScheduledTask.status != Status.PENDING, is_due)


def _merged(parts: Sequence[Select[int]], limit: int, oldest: bool) -> Select[ScheduledTask]:
    ids = union_all(*(select(part.subquery().c.id) for part in parts))
    merged = select(ScheduledTask).where(ScheduledTask.id.in_(ids))
    return merged.order_by(*(key.asc() if oldest else key.desc() for key in KEYS)).limit(limit + 1)


def _figures(
    account_id: int, rule_ids: Sequence[int], week: Period, now: datetime
) -> Select[*tuple[Any, ...]]:
    """One row for each rule; under each status the id of its latest run, without planned ones."""
    used = select(func.coalesce(func.sum(RuleDay.used), 0)).where(
        RuleDay.rule_id == AutomationRule.id, RuleDay.local_day == week.dates[-1]
    )
    failed = [ScheduledTask.status == Status.FAILED, ScheduledTask.scheduled_at >= week.start]
    return select(
        AutomationRule.id,
        AutomationRule.unplanned_from,
        *(_latest(status, now).label(status.value) for status in Status),
        _of_rule(func.count(), *failed).label("failures"),
        _of_rule(func.min(ScheduledTask.begins_at), *_starts_after(now)).label("planned_at"),
        used.scalar_subquery().label("runs_today"),
        select(SiteCalendar.id).where(SiteCalendar.account_id == account_id).exists().label("has_calendars"),
    ).where(AutomationRule.account_id == account_id, AutomationRule.id.in_(rule_ids))


def _starts_after(now: datetime) -> Sequence[ColumnElement[bool]]:
    run = ScheduledTask
    is_open = run.reason.is_distinct_from(Reason.CLOSED_DAY)
    return run.status == Status.PENDING, run.begins_at > now, is_open


def _of_rule(figure: ColumnElement[T], *clauses: ColumnElement[bool]) -> ScalarSelect[T]:
    return _runs_of_rule(figure).where(*clauses).scalar_subquery()


def _latest(status: Status, now: datetime) -> ScalarSelect[int]:
    ended_or_due = [ScheduledTask.status == status]
    if status == Status.PENDING:
        ended_or_due.append(ScheduledTask.scheduled_at <= now)
    newest_first = [key.desc() for key in KEYS]
    return (
        _runs_of_rule(ScheduledTask.id.expression)
        .where(*ended_or_due)
        .order_by(*newest_first)
        .limit(1)
        .scalar_subquery()
    )


def _runs_of_rule(figure: ColumnElement[T]) -> Select[T]:
    return select(figure).where(
        ScheduledTask.account_id == AutomationRule.account_id,
        ScheduledTask.automation_rule_id == AutomationRule.id,
    )


def _figures_of(
    row: RowMapping, latest: Sequence[ScheduledTask], starts: Mapping[int, datetime | None]
) -> RuleFigures:
    """`latest` has at most one run of each status; `starts`: where closed days come between."""
    started = [run.started_at for run in latest if run.started_at and run.status != Status.SKIPPED]
    succeeded = [run.finished_at for run in latest if run.status == Status.COMPLETED]
    return RuleFigures(
        last_run=max(latest, key=lambda run: (run.scheduled_at, run.id), default=None),
        last_executed_at=max(started, default=None),
        last_success_at=succeeded[0] if succeeded else None,
        failures=row["failures"],
        runs_today=row["runs_today"],
        next_run_at=row["planned_at"] or starts.get(row["id"], row["unplanned_from"]),
    )
