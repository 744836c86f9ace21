"""Every action type, in the order in which forms and the API list them: one line registers a type."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.cluster_keywords import CLUSTER_KEYWORDS
from app.business.automation.services.catalogue.actions.create_record import CREATE_RECORD
from app.business.automation.services.catalogue.actions.create_tasks import CREATE_TASKS
from app.business.automation.services.catalogue.actions.generate_content import GENERATE_CONTENT
from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS
from app.business.automation.services.catalogue.actions.notify import NOTIFY
from app.business.automation.services.catalogue.actions.switch_rules import PAUSE_RULE, RESUME_RULE
from app.business.automation.services.catalogue.actions.update_records import UPDATE_RECORDS

CATALOGUE: dict[str, AnyAction] = {
    entry.key: entry
    for entry in (
        CLUSTER_KEYWORDS,
        GENERATE_IDEAS,
        CREATE_TASKS,
        GENERATE_CONTENT,
        UPDATE_RECORDS,
        CREATE_RECORD,
        NOTIFY,
        PAUSE_RULE,
        RESUME_RULE,
    )
}


def is_paid(actions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of a rule's actions can cost credits."""
    return any(CATALOGUE[action["type"]].is_paid for action in actions)


def made_by(action: Mapping[str, Any]) -> str | None:
    """The record type that this action of a rule makes."""
    return CATALOGUE[action["type"]].made_type(action.get("params", {}))


def explicit_ids(action: Mapping[str, Any]) -> list[int] | None:
    """Ids written into the action's parameters; None when it is bound to the run's records."""
    return CATALOGUE[action["type"]].explicit_ids(action.get("params", {}))
