"""Since when a rule has been started by the events that start it now, from its versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleVersion

DECIDING_WHAT_MATCHES = ("trigger", "trigger_options", "site", "sector")
"""Fields of its definition that say which events reach it; those that miss its conditions reach it too."""


@dataclass(frozen=True)
class Listening:
    """since: when what starts it was changed last (None: never) · switched_on: each time it was switched on again,
    oldest first; nothing started it before, however many events there were.
    """

    since: datetime | None
    switched_on: Sequence[datetime]

    def silence_from(self, last_event_at: datetime) -> datetime:
        """When the silence after this event began: events could start the rule all the time since."""
        return max([last_event_at, *self.switched_on[-1:], *([self.since] if self.since else [])])


def listening_of(session: Session, account_id: int, rule_id: int) -> Listening:
    query = (
        select(RuleVersion.created_at, RuleVersion.definition)
        .where(RuleVersion.account_id == account_id, RuleVersion.rule_id == rule_id)
        .order_by(RuleVersion.version)
    )
    since, switched_on, before = None, list[datetime](), None
    for created_at, definition in session.execute(query):
        if before is not None:
            if any(definition.get(name) != before.get(name) for name in DECIDING_WHAT_MATCHES):
                since = created_at
            if definition.get("is_active") and not before.get("is_active"):
                switched_on.append(created_at)
        before = definition
    return Listening(since, switched_on)
