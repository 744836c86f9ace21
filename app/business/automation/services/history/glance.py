"""All that the dashboard counts, in one query; and whether there is anything that it has to read the rows of.

A query of its own for each of these numbers would take several times as long as they do.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, or_, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice
from app.business.accounts.services.scope import Scope
from app.business.automation.report_models import DailyReport
from app.business.automation.services.auditing.accounting import GRACE, open_events
from app.business.automation.services.history.dashboard import RuleCounts, rule_counts
from app.business.automation.services.history.pipeline import Pipeline, moments, pipeline_of, stage_counts
from app.business.automation.services.history.run_attention import waiting_runs
from app.business.base import Text
from app.business.kept_queries import kept_queries
from app.business.outlets.incident_models import Incident
from app.business.outlets.services.incidents import to_report
from app.business.plain_rows import AnyColumns, AnyUnion, plain_rows
from app.business.ready_statements import AnyRow
from app.business.words_as_text import words_as_text

KEPT = 64
"""Scopes for which a process keeps the query."""
NOTHING: ColumnElement[int] = literal_column("0")


@dataclass(frozen=True)
class Glance:
    """flow: of the chosen scope, all else of the person's · waiting: number of runs by what they wait for ·
    open_events: of the account, not matched with rules · incidents: open ones that nobody has muted · has_notices: of
    the keys asked for · has_report: of the day."""

    flow: Pipeline
    rules: RuleCounts
    waiting: Mapping[str, int]
    open_events: int
    incidents: int
    has_notices: bool
    has_report: bool


@dataclass(frozen=True)
class Since:
    """The starts of the month and of the period, between which the pipeline tells apart what came."""

    month: datetime
    period: datetime


def glance(
    session: Session,
    chosen: Scope,
    scope: Scope,
    since: Since,
    notices: tuple[str, ...],
    today: date,
    now: datetime,
) -> Glance:
    """In one query. chosen: the part of the person's `scope` that the dashboard is about · notices: their keys."""
    wanted = {"until": now - GRACE, "today": today, "account_id": scope.account_id}
    wanted |= moments(since.month, since.period)
    rows = plain_rows(session, _counts(chosen, scope, notices), wanted)
    found: dict[str, list[AnyRow]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)

    def count(part: str) -> int:
        return int(found[part][0][2])

    return Glance(
        pipeline_of({key: numbers for _, key, *numbers in found["stage"]}),
        RuleCounts(*found["rules"][0][2:]),
        {str(key): int(runs) for _, key, runs, *_ in found["waiting"]},
        count("events"),
        count("incidents"),
        bool(count("notices")),
        bool(count("report")),
    )


@kept_queries(KEPT)
def _counts(chosen: Scope, scope: Scope, notices: tuple[str, ...]) -> AnyUnion:
    return words_as_text(union_all(*_parts(chosen, scope, notices)))


def _parts(chosen: Scope, scope: Scope, notices: Sequence[str]) -> Iterator[AnyColumns]:
    """Rows of: part, key, and four numbers."""
    stages = stage_counts(chosen)
    yield stages.with_only_columns(_word("stage"), *stages.selected_columns, NOTHING)
    rules = rule_counts(scope)
    yield rules.with_only_columns(_word("rules"), _word(""), *rules.selected_columns)
    waiting = waiting_runs(scope)
    yield waiting.with_only_columns(_word("waiting"), *waiting.selected_columns, NOTHING, NOTHING, NOTHING)
    yield _count("events", select(open_events()))
    yield _count("incidents", select(func.count()).select_from(Incident).where(to_report(scope)))
    asked_for = or_(*(Notice.key == key for key in notices))
    mine = (Notice.account_id == bindparam("account_id"), asked_for)
    yield _count(
        "notices",
        select(func.count()).select_from(Notice).where(*mine),
    )
    of_day = (DailyReport.account_id == bindparam("account_id"), DailyReport.on == bindparam("today"))
    yield _count("report", select(func.count()).select_from(DailyReport).where(*of_day))


def _count(part: str, query: Select[int]) -> AnyColumns:
    return query.with_only_columns(_word(part), _word(""), *query.selected_columns, NOTHING, NOTHING, NOTHING)


def _word(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'", Text())
