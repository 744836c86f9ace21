"""REST: incidents, which are failures of one cause."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.errors import Conflict
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.services import incidents
from app.business.outlets.services.incidents import Extent
from app.infrastructure.database import db
from app.modules.access import Permission, current_person
from app.modules.api.models import ApiModel
from app.modules.api.records import ListOf
from app.modules.api.resource import Listed, Query, Window, answer, listed, require_present, saved
from app.modules.automation.api.blueprint import api
from app.modules.gate.preconditions import if_match

EDITOR_OF_ALL = Permission(Role.EDITOR, whole_account=True)


class IncidentShown(ApiModel):
    """Failures of one cause. `cause`: what failed and how · `count`: runs or messages that failed · `rules`, `sites`:
    ids of what it touched · `advice`: what to do · `muted_at`: null once it has changed since.
    """

    id: int
    cause: str
    title: str
    status: IncidentStatus
    first_at: datetime
    last_at: datetime
    recovered_at: datetime | None
    muted_at: datetime | None
    count: int
    rules: list[int]
    sites: list[int]
    advice: str


class IncidentQuery(Query):
    """Filters of the list of incidents."""

    status: Annotated[list[IncidentStatus], ListOf] = Field(default_factory=list)
    ordering: Literal["first_at", "-first_at"] = "-first_at"


@api.call("GET", "/incidents/", Role.VIEWER, answers={200: Listed[IncidentShown]})
def list_incidents(query: IncidentQuery, window: Window) -> Response:
    """Incidents, newest first."""
    session, scope = db.session(), current_person().scope
    page = incidents.page_of_incidents(
        session,
        scope,
        statuses=query.status,
        cursor=window.cursor,
        limit=window.limit,
        oldest=query.ordering == "first_at",
    )
    extents = incidents.extents(session, scope, page.rows)
    return listed(window, page, lambda row: _shown(row, extents.get(row.id, Extent())))


@api.call("GET", "/incidents/<int:id>/", Role.VIEWER, answers={200: IncidentShown}, if_match=True)
def get_incident(id: int) -> Response:
    """One incident."""
    return answer(_show(incidents.found(db.session(), current_person().scope, id)))


@api.call(
    "POST",
    "/incidents/<int:id>/mute/",
    EDITOR_OF_ALL,
    answers={200: IncidentShown},
    errors=(Conflict,),
    if_match=True,
)
def mute_incident(id: int) -> Response:
    """Leave it out of reports until it touches another rule or site, or is over."""
    row = _present(id)
    incidents.mute(db.session(), row, current_person().actor, datetime.now(UTC))
    return saved(answer(_show(row)))


@api.call("POST", "/incidents/<int:id>/unmute/", EDITOR_OF_ALL, answers={200: IncidentShown}, if_match=True)
def unmute_incident(id: int) -> Response:
    """Report it again."""
    row = _present(id)
    incidents.unmute(db.session(), row, current_person().actor, datetime.now(UTC))
    return saved(answer(_show(row)))


def _present(id: int) -> Incident:
    """The incident to act on, in the state given by If-Match. Raises NotFound, Stale."""
    row = incidents.found(db.session(), current_person().scope, id)
    if if_match():
        require_present(_show(row))
    return row


def _show(row: Incident) -> IncidentShown:
    extents = incidents.extents(db.session(), current_person().scope, [row])
    return _shown(row, extents.get(row.id, Extent()))


def _shown(row: Incident, extent: Extent) -> IncidentShown:
    return IncidentShown(
        id=row.id,
        cause=row.cause,
        title=incidents.title(row),
        status=IncidentStatus(row.status),
        first_at=row.first_at,
        last_at=extent.last_at or row.first_at,
        recovered_at=row.recovered_at,
        muted_at=row.muted_at,
        count=extent.count,
        rules=extent.rules,
        sites=extent.sites,
        advice=incidents.advice(row),
    )
