"""What became of each rule's runs: by local day, and of the last ones."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Select, bindparam, case, func, select, union_all
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import CLOSED, Reason, ScheduledTask, Status
from app.business.automation.services.history.run_sums import ended_runs_of_rules
from app.business.base import UtcDateTime
from app.business.kept_queries import kept_queries
from app.business.periods import Period
from app.business.plain_rows import plain_rows
from app.business.sql_functions import in_order, is_among
from app.business.time_zones import start_of_day
from app.business.words_as_text import words_as_text

DAYS = 28
LATEST = 12
LISTS = 16
"""Lists of rules for which a process keeps the query."""
PRACTISED = "practised"
"""In place of the status of a run that was skipped because its rule practises."""
LETTERS: dict[str, str] = {**{status: status[0] for status in CLOSED}, PRACTISED: "p"}
ENDS = {letter: str(end) for end, letter in LETTERS.items()}


class DayEnds(NamedTuple):
    """How many runs of a rule that were due on one day ended how."""

    completed: int = 0
    failed: int = 0
    skipped: int = 0


def ends_by_day(
    session: Session, scope: Scope, rule_ids: Sequence[int], period: Period, zone: str, now: datetime
) -> dict[int, dict[date, DayEnds]]:
    """Rule -> day -> the ends of its runs. One query of the daily sums."""
    counted = _by_day(scope, tuple(rule_ids), tuple(period.dates), zone)
    found: dict[int, dict[date, DayEnds]] = {}
    for rule_id, on, *numbers in plain_rows(session, counted, {"now": now}):
        if any(numbers):
            found.setdefault(rule_id, {})[on] = DayEnds(*numbers)
    return found


@kept_queries(LISTS)
def _by_day(
    scope: Scope, rule_ids: tuple[int, ...], dates: tuple[date, ...], zone: str
) -> Select[int, date, int, int, int]:
    """A row for each rule and day. Kept for the day; its parameter is the moment."""
    moment, period = bindparam("now", type_=UtcDateTime()), Period(dates, start_of_day(dates[0], zone))
    of = ended_runs_of_rules(scope, rule_ids, period, zone, moment).c
    completed, failed, skipped = (
        func.sum(case((of.status == getattr(Status, name.upper()), of.runs), else_=0))
        for name in DayEnds._fields
    )
    return select(of.rule_id, of.on, completed, failed, skipped).group_by(of.rule_id, of.on)


def latest_ends(
    session: Session, scope: Scope, rule_ids: Sequence[int], each: int = LATEST
) -> dict[int, list[str]]:
    """Rule -> how its last runs ended, oldest first: their status, or PRACTISED. One query, of a few rows of the index
    for each rule and status."""
    if not rule_ids:
        return {}
    rows = plain_rows(session, _latest_of(scope, each), {"rule_ids": [*rule_ids]})
    return {rule_id: [ENDS[letter] for letter in reversed(ends)] for rule_id, ends in rows if ends}


@kept_queries(LISTS)
def _latest_of(scope: Scope, each: int) -> Select[int, str | None]:
    """One row for each rule, with a letter for each run, newest first: a row for each run would take most of the time.

    Kept, for with its many parts it takes longer to build than to answer.
    """
    parts = (select(_latest(scope, status, each).subquery()) for status in CLOSED)
    ended = union_all(*parts).subquery().c
    order = (ended.scheduled_at.desc(), ended.id.desc())
    last = select(ended.letter, ended.scheduled_at, ended.id).order_by(*order).limit(each).subquery().c
    letters = select(in_order(last.letter, last.scheduled_at.desc(), last.id.desc()))
    rule = AutomationRule
    query = select(rule.id, letters.scalar_subquery())
    return words_as_text(query.where(rule.account_id == scope.account_id, is_among(rule.id, "rule_ids")))


def _latest(scope: Scope, status: Status, each: int) -> Select[str, datetime, int]:
    run = ScheduledTask
    letter = case((run.reason == Reason.SHADOW, LETTERS[PRACTISED]), else_=LETTERS[status])
    return (
        select(letter.label("letter"), run.scheduled_at, run.id)
        .where(scope.sees(run), run.automation_rule_id == AutomationRule.id, run.status == status)
        .order_by(run.scheduled_at.desc(), run.id.desc())
        .limit(each)
        .correlate(AutomationRule)
    )
