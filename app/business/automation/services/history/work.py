"""What awaits a person: articles to check, questions of runs, tasks that are due, failed runs, changes of rules to
decide on; and how many of each."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.business.accounts.models import User
from app.business.accounts.services.notice_choices import Reader
from app.business.accounts.services.notices import unread_clause
from app.business.accounts.services.scope import Scope
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.history.run_attention import notices_seen
from app.business.automation.services.rule_changes.listing import seen, to_decide
from app.business.base import AccountOwned
from app.business.kept_queries import kept_queries
from app.business.paging import Order
from app.business.plain_rows import plain_rows
from app.business.planner.services.record_lists import RecordList
from app.business.words_as_text import words_as_text
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus

MOST_COUNTED = 1_000
"""From here on a number is only “1,000 or more”, so that counting stays cheap."""
PEOPLE = 64
"""For whom a process keeps the query ready."""
TO_CHECK = (ContentStatus.DRAFT, ContentStatus.REVIEW)
UNWRITTEN = (TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED)

CHECKS: RecordList[Content] = RecordList(
    Content,
    {"awaiting": lambda user_id: to_check(user_id)},
    {"oldest": Order(Content.status_since.expression, lambda row: row.status_since, descending=False)},
    (Content.site,),
)


@dataclass(frozen=True)
class WorkCounts:
    """check, asked, due, failed, changes: of what awaits the person · unread: notices."""

    check: int
    asked: int
    due: int
    failed: int
    unread: int
    changes: int = 0

    @property
    def total(self) -> int:
        return self.check + self.asked + self.due + self.failed + self.changes


def to_check(user_id: int) -> ColumnElement[bool]:
    """Articles to check that are this person's or nobody's."""
    return Content.status.in_(TO_CHECK) & _for_person(Content.assignee_id, user_id)


def due_tasks(user_id: int, by: date) -> ColumnElement[bool]:
    """Tasks due by that day that are this person's or nobody's."""
    return Task.status.in_(UNWRITTEN) & (Task.due_on <= by) & _for_person(Task.assignee_id, user_id)


def failed_runs(since: datetime) -> ColumnElement[bool]:
    """Runs that failed since then and were not undone."""
    run = ScheduledTask
    return (run.status == Status.FAILED) & (run.scheduled_at >= since) & run.undo_id.is_(None)


def asking_runs() -> ColumnElement[bool]:
    """Runs that wait for a person's answer."""
    run = ScheduledTask
    return (run.status == Status.PENDING) & (run.waiting_for == Waiting.PERSON)


def work_counts(
    session: Session, user: User, scope: Scope, due_by: date, failed_since: datetime, *, decides: bool = False
) -> WorkCounts:
    """All in one query, for it is asked on every page. decides: whether changes of rules wait for such people."""
    reader = Reader(user.id, user.account_id, user.role)
    return WorkCounts(*plain_rows(session, _counts(reader, scope, due_by, failed_since, decides))[0])


@kept_queries(PEOPLE)
def _counts(
    reader: Reader, scope: Scope, due_by: date, failed_since: datetime, decides: bool
) -> Select[int, int, int, int, int, int]:
    """The query. Building it takes as long as its answer, and on one day it stays the same for one person."""
    checks = _count(Content, scope, to_check(reader.id))
    asked = _count(ScheduledTask, scope, asking_runs())
    due = _count(Task, scope, due_tasks(reader.id, due_by))
    failed = _count(ScheduledTask, scope, failed_runs(failed_since))
    changes = _number(RuleChange, seen(scope) & to_decide(reader.id)) if decides else literal(0)
    unread = unread_clause(reader, notices_seen(scope))
    return words_as_text(select(checks, asked, due, failed, unread, changes))


def _count(
    model: type[Content] | type[Task] | type[ScheduledTask], scope: Scope, which: ColumnElement[bool]
) -> ColumnElement[int]:
    return _number(model, scope.sees(model) & which)


def _number(model: type[AccountOwned], which: ColumnElement[bool]) -> ColumnElement[int]:
    some = select(literal(1)).select_from(model).where(which).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _for_person(assignee: InstrumentedAttribute[int | None], user_id: int) -> ColumnElement[bool]:
    return or_(assignee.is_(None), assignee == user_id)
