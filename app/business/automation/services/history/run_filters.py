"""The filters of lists of runs, and the clauses that they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, String, cast, false, literal_column, or_

from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Cause, Reason, ScheduledTask, Status
from app.business.likelihood import unindexed
from app.business.sql_functions import has_words, seconds_between

MOST_DIGITS = 19
BY_RARER_CAUSE = ScheduledTask.cause != literal_column("'event'")
"""The condition of the indexes of causes with a rule or a site, word for word: else SQLite cannot tell that it may use
them."""


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
        *narrowed(filters),
        *matching(filters),
        *([] if asked_for else [false()]),
    ]


def narrowed(filters: RunFilters) -> Iterator[ColumnElement[bool]]:
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
        yield ScheduledTask.credits_used > literal_column("0")
    if filters.practised is not None:
        # Without a function around it, the reason is looked up in an index.
        is_practised = ScheduledTask.reason == Reason.SHADOW
        yield is_practised if filters.practised else ScheduledTask.reason.is_distinct_from(Reason.SHADOW)


def matching(filters: RunFilters) -> Iterator[ColumnElement[bool]]:
    run = ScheduledTask
    if filters.text:
        wanted = filters.text.lower()
        texts = (run.rule_name, run.error_message, cast(run.result, String))
        numbered = [run.id == int(wanted)] if wanted.isdecimal() and len(wanted) < MOST_DIGITS else []
        yield or_(has_words(wanted, *texts), *numbered)
    if filters.cost_min is not None:
        yield run.credits_used >= filters.cost_min
    if filters.cost_max is not None:
        yield run.credits_used <= filters.cost_max
    if filters.took_min is not None:
        yield seconds_between(run.started_at, run.finished_at) >= filters.took_min
