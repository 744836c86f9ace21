"""Saving and testing the account's AI service, for its page and the API."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

from flask import current_app

from app.business.errors import Invalid
from app.business.language_model import ModelConnection, ModelUse, ProviderFault
from app.business.outlets.models import AiConnection
from app.business.outlets.services import ai_connections, ai_spending
from app.business.outlets.services.ai_connections import ConnectionValues
from app.infrastructure.ai.connected import endpoint_of, policy_for
from app.infrastructure.ai.probe import MOST_TOKENS, Probe, probe
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
    """Test the service and store its JSON mode. No transaction is open during the call.

    What it costs counts against the month's limit, like every other call.
    """
    tested, session = ai_connections.as_data(row), db.session()
    key = f"test-{tested.id}-{secrets.token_hex(8)}"
    refusal = ai_spending.reserve(
        session, current_person().account, tested, key, MOST_TOKENS, datetime.now(UTC)
    )
    session.commit()
    if refusal:
        return Probe(False, None, refusal)
    try:
        found = probe(endpoint_of(tested, SecretBox.of(settings())), policy_for(settings()))
    except ProviderFault as fault:
        found = Probe(False, None, fault.message)
    use = _use(tested, found)
    now = datetime.now(UTC)
    ai_spending.settle(session, current_person().account, key, use, unused=not found.may_have_worked, now=now)
    if found.ok:
        ai_connections.keep_mode(session, tested, found.mode, now)
    session.commit()
    return replace(found, message=f"{found.message}{_taken(use)}")


def _use(tested: ModelConnection, found: Probe) -> ModelUse | None:
    sent, written = (found.tokens.get(name, 0) for name in ("prompt_tokens", "completion_tokens"))
    if not sent and not written:
        return None
    return ModelUse(tested.model, "test-1", sent, written, tested.cost(sent, written))


def _taken(use: ModelUse | None) -> str:
    if use is None:
        return ""
    cost = f", {ai_spending.money_words(use.cost)} in money" if use.cost is not None else ""
    return f" The test took {use.tokens_in + use.tokens_out:,} tokens{cost}."
