"""What a person was told: failures, credits, messages of rules."""

from datetime import UTC, datetime, timedelta

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services.notices import mark_read, notices_page
from app.business.automation.services.history.run_attention import notices_seen
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.notice_days import by_day
from app.modules.automation.views.my_work import awaiting
from app.modules.display import viewer_zone
from app.modules.web import see_other


@allow(Role.VIEWER)
def show() -> str:
    """The person's notices by day, newest first; with `?unread=1` those that nobody has read."""
    person, cursor = current_person(), request.args.get("cursor")
    unread = "1" if request.args.get("unread") == "1" else None
    page = notices_page(
        db.session(),
        person.user,
        seen=notices_seen(person.scope),
        read=False if unread else None,
        cursor=cursor,
    )
    zone, count = viewer_zone(), awaiting().unread
    today = datetime.now(zone).date()
    return render_template(
        "pages/automation/notices.html",
        days=by_day(page.rows, zone),
        near={today: "Today", today - timedelta(days=1): "Yesterday"},
        count=count,
        tabs=[("All", url_for(".notices"), None), ("Unread", url_for(".notices", unread="1"), count)],
        current=url_for(".notices", unread=unread),
        next_url=url_for(".notices", cursor=page.next_cursor, unread=unread) if page.next_cursor else None,
        first_url=url_for(".notices", unread=unread) if cursor else None,
    )


@allow(Role.VIEWER)
def read_all() -> ResponseReturnValue:
    """Mark all as read."""
    person = current_person()
    mark_read(db.session(), person.user, datetime.now(UTC), seen=notices_seen(person.scope))
    db.session.commit()
    flash("All read.", "success")
    return see_other(url_for(".notices"))
