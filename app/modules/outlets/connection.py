"""Saving and testing the account's AI service, for its page and the API."""

from datetime import UTC, datetime

from flask import current_app

from app.business.errors import Invalid
from app.business.language_model import ProviderFault
from app.business.outlets.models import AiConnection
from app.business.outlets.services import ai_connections
from app.business.outlets.services.ai_connections import ConnectionValues
from app.infrastructure.ai.connected import endpoint_of, policy_for
from app.infrastructure.ai.probe import Probe, probe
from app.infrastructure.database import db
from app.infrastructure.outbound.policy import OutboundRefused
from app.infrastructure.secret_box import SecretBox
from app.modules.access import current_person
from app.settings import Settings


def settings() -> Settings:
    """Those of this process."""
    found: Settings = current_app.extensions["settings"]
    return found


def save(values: ConnectionValues) -> AiConnection:
    """Connect the account. Raises Invalid, also for an address that the outbound policy forbids."""
    try:
        policy_for(settings()).check(values.base_url)
    except OutboundRefused as refusal:
        raise Invalid({"base_url": [str(refusal)]}) from None
    person, box = current_person(), SecretBox.of(settings())
    return ai_connections.save(
        db.session(), person.account.id, person.actor, values, seal=box.seal, now=datetime.now(UTC)
    )


def test(row: AiConnection) -> Probe:
    """Test the service and store its JSON mode. No transaction is open during the call."""
    tested = ai_connections.as_data(row)
    db.session.commit()
    try:
        found = probe(endpoint_of(tested, SecretBox.of(settings())), policy_for(settings()))
    except ProviderFault as fault:
        found = Probe(False, None, fault.message)
    if found.ok:
        ai_connections.keep_mode(db.session(), tested, found.mode, datetime.now(UTC))
        db.session.commit()
    return found
