"""What pages and the API share when a person decides on an article."""

from app.business.automation.services.automation_service import Actor
from app.modules.access import current_person


def actor() -> Actor:
    """The person, as the cause of a run."""
    person = current_person()
    return Actor(person.user.id, person.role, person.key.id if person.key else None, person.scope.sites)
