"""Who asks, as the services of rules and runs want to know it."""

from app.business.automation.services.automation_service import Actor
from app.modules.access import current_person


def actor() -> Actor:
    """Runs started by a key have the cause api; whoever is limited to sites acts only on these."""
    person = current_person()
    return Actor(person.user.id, person.role, person.key.id if person.key else None, person.scope.sites)
