"""The message that started a run of a rule with the trigger `incoming`."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.incoming_fields import INCOMING
from app.business.automation.services.conditions.facts import context_facts
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.runs.context import RunContext
from app.business.events import Event


def facts_of_message(session: Session, context: RunContext) -> Mapping[str, FieldValue]:
    """Its values by path (`incoming.order.total`)."""
    return message_facts(_message(session, context), context.now, context.zone)


def message_facts(message: Stored, now: datetime, zone: tzinfo) -> Mapping[str, FieldValue]:
    """The values of a message by path."""
    return context_facts({INCOMING: dict(message)}, now=now, zone=zone)


def _message(session: Session, context: RunContext) -> Stored:
    """The message whose arrival started the run; if a person started it, the latest one of the account."""
    query = select(Event.data).where(Event.account_id == context.account.id, Event.record_type == INCOMING)
    if context.run.batch_id is not None:
        query = query.where(Event.batch_id == context.run.batch_id)
    return session.scalar(query.order_by(Event.record_id.desc()).limit(1)) or {}
