"""Work for a person: content to check, tasks due, failed runs, and notices."""

from datetime import UTC, datetime, timedelta

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import or_, select

from app.business.accounts.models import Role
from app.business.accounts.services.notices import mark_read, notices_for
from app.business.automation.services.history.run_attention import failed_since, notices_seen
from app.business.periods import last_days
from app.business.writer.models import Content, ContentStatus, Task, TaskStatus
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.display import viewer_zone
from app.modules.web import see_other

SHOWN = 15
WEEK = 7
SOON = timedelta(days=3)


@allow(Role.OPERATOR)
def show() -> ResponseReturnValue:
    person, session, now = current_person(), db.session(), datetime.now(UTC)
    account, user, today = person.account, person.user, now.astimezone(viewer_zone()).date()
    to_check = select(Content).where(
        person.scope.sees(Content), Content.status.in_([ContentStatus.DRAFT, ContentStatus.REVIEW])
    )
    due = select(Task).where(
        person.scope.sees(Task),
        Task.status.in_([TaskStatus.DRAFT, TaskStatus.QUEUED, TaskStatus.FAILED]),
        Task.due_on <= today + SOON,
        or_(Task.assignee_id.is_(None), Task.assignee_id == user.id),
    )
    return render_template(
        "pages/automation/my_work.html",
        contents=session.scalars(to_check.order_by(Content.status_since).limit(SHOWN)).all(),
        tasks=session.scalars(due.order_by(Task.due_on, Task.id).limit(SHOWN)).all(),
        failures=failed_since(session, person.scope, last_days(WEEK, account.timezone, now).start, SHOWN),
        today=today,
    )


@allow(Role.VIEWER)
def notices() -> ResponseReturnValue:
    """The person's latest notices."""
    person = current_person()
    return render_template(
        "pages/automation/notices.html",
        notices=notices_for(db.session(), person.user, seen=notices_seen(person.scope)),
    )


@allow(Role.VIEWER)
def read_notices() -> ResponseReturnValue:
    """Mark all as read."""
    person = current_person()
    mark_read(db.session(), person.user, datetime.now(UTC), seen=notices_seen(person.scope))
    db.session.commit()
    flash("All read.", "success")
    return see_other(url_for(".notices"))
