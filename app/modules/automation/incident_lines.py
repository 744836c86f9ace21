"""Incidents as pages show them: what each is called, what it adds up to, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select

from app.business.accounts.services.scope import Scope
from app.business.automation.models import AutomationRule
from app.business.kept_queries import kept_queries
from app.business.outlets.incident_models import Incident
from app.business.outlets.services import incidents
from app.business.outlets.services.incidents import Extent
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import current_person

KEPT = 64
"""Scopes for which a process keeps the query."""


@dataclass(frozen=True)
class IncidentLine:
    """One incident. rules, sites: (id, name) of what it touched."""

    row: Incident
    title: str
    advice: str
    extent: Extent
    rules: list[tuple[int, str]]
    sites: list[tuple[int, str]]


def lines_of(rows: Sequence[Incident]) -> list[IncidentLine]:
    """The incidents with everything that is said of them, in few queries."""
    if not rows:
        return []
    scope, session = current_person().scope, db.session()
    extents = incidents.extents(session, scope, rows)
    rules = _names(AutomationRule, {id for extent in extents.values() for id in extent.rules})
    sites = _names(Site, {id for extent in extents.values() for id in extent.sites})
    return [
        IncidentLine(
            row,
            incidents.title(row),
            incidents.advice(row),
            extent := extents.get(row.id, Extent()),
            [(id, rules[id]) for id in extent.rules if id in rules],
            [(id, sites[id]) for id in extent.sites if id in sites],
        )
        for row in rows
    ]


def open_lines(most: int) -> list[IncidentLine]:
    """The latest open incidents that nobody has muted."""
    return lines_of(_open(current_person().scope, most).entities(db.session(), {}))


@kept_queries(KEPT)
def _open(scope: Scope, most: int) -> Select[Incident]:
    return select(Incident).where(incidents.to_report(scope)).order_by(Incident.id.desc()).limit(most)


def _names(model: type[AutomationRule] | type[Site], ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    query = select(model.id, model.name).where(current_person().scope.sees(model), model.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(query)}
