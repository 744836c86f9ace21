"""REST: the person's notices."""

from datetime import UTC, datetime
from typing import Literal

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.accounts.services import notices
from app.business.automation.services.history.run_attention import notices_seen
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.models import ApiModel
from app.modules.api.records import Readable, show
from app.modules.api.resource import Listed, Query, Window, answer, listed, report, require_present, saved
from app.modules.automation.api.blueprint import api
from app.modules.gate.preconditions import if_match

Level = Literal["info", "warning", "danger"]


class NoticeShown(Readable):
    """A message of the console to the person. `kind`: what people choose by how they are told · `rule`, `run`,
    `incident`, `site`: what it is about · `read_at`: null while nobody has read it. It may be renewed: then it is
    unread again, and as new as its `created_at`.
    """

    id: int
    level: Level
    kind: str
    title: str
    body: str
    rule: int | None = Field(validation_alias="rule_id")
    run: int | None = Field(validation_alias="run_id")
    incident: int | None = Field(validation_alias="incident_id")
    site: int | None = Field(validation_alias="about_site_id")
    created_at: datetime
    read_at: datetime | None


class NoticeQuery(Query):
    """Filters of the list of notices."""

    read: bool | None = None
    level: Level | None = None
    ordering: Literal["created_at", "-created_at"] = "-created_at"


class NoticesRead(ApiModel):
    """`unread`: the number of notices that are left."""

    unread: int


@api.call("GET", "/notices/", Role.VIEWER, answers={200: Listed[NoticeShown]})
def list_notices(query: NoticeQuery, window: Window) -> Response:
    """The person's notices, newest first: what the bell of the console shows."""
    person = current_person()
    page = notices.notices_page(
        db.session(),
        person.user,
        seen=notices_seen(person.scope),
        read=query.read,
        level=query.level,
        cursor=window.cursor,
        limit=window.limit,
        oldest=query.ordering == "created_at",
    )
    return listed(window, page, lambda notice: show(NoticeShown, notice))


@api.call("POST", "/notices/read/", Role.VIEWER, answers={200: NoticesRead})
def read_notices() -> Response:
    """Mark all notices of the person as read."""
    return _mark(None)


@api.call("GET", "/notices/<int:id>/", Role.VIEWER, answers={200: NoticeShown}, if_match=True)
def get_notice(id: int) -> Response:
    """One notice."""
    return answer(_shown(id))


@api.call("POST", "/notices/<int:id>/read/", Role.VIEWER, answers={200: NoticesRead}, if_match=True)
def read_notice(id: int) -> Response:
    """Mark one notice as read."""
    shown = _shown(id)
    if if_match():
        require_present(shown)
    return _mark(id)


def _shown(id: int) -> NoticeShown:
    person = current_person()
    return show(NoticeShown, notices.found(db.session(), person.user, id, seen=notices_seen(person.scope)))


def _mark(id: int | None) -> Response:
    session, person = db.session(), current_person()
    seen = notices_seen(person.scope)
    notices.mark_read(session, person.user, datetime.now(UTC), id, seen=seen)
    return saved(report(NoticesRead(unread=notices.unread_notices(session, person.user, seen=seen))))
