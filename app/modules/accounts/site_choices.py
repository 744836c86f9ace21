"""The sites to which a person or a key can be limited."""

from sqlalchemy import select

from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import current_person


def site_choices() -> list[tuple[int, str]]:
    """Number and name of each site that the person sees, by name."""
    seen = current_person().scope.sees(Site)
    rows = db.session.execute(select(Site.id, Site.name).where(seen).order_by(Site.name_folded, Site.id))
    return [(row[0], row[1]) for row in rows]
