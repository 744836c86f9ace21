"""Vectors of a preview's keywords by the account's AI service: counted against the month's limit like every call."""

import secrets
from datetime import UTC, datetime

from flask import current_app

from app.business.accounts.models import Account
from app.business.language_model import Embeddings, ModelConnection, ModelUse, ProviderFault
from app.business.outlets.services import ai_spending
from app.business.planner.services.clustering_service import VECTORS_VERSION
from app.infrastructure.ai.connected import endpoint_of, policy_for
from app.infrastructure.ai.probe import BOUNDS
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox


def vectors_by_service(account: Account, connection: ModelConnection, texts: list[str]) -> list[list[float]]:
    """One for each text. No transaction is open during the calls. Raises ProviderFault."""
    session, key = db.session(), f"preview-{connection.id}-{secrets.token_hex(8)}"
    most = sum(len(text) + 2 for text in texts)
    refusal = ai_spending.reserve(session, account, connection, key, (most, 0), datetime.now(UTC))
    session.commit()
    if refusal:
        raise ProviderFault("over_limit", refusal)
    use, unused = None, False
    try:
        found = _embed(connection, texts, key)
        cost = connection.cost(found.tokens, 0) if found.tokens else None
        use = ModelUse(connection.embedding_model, VECTORS_VERSION, found.tokens, 0, cost)
    except ProviderFault as fault:
        use, unused = fault.use, not fault.may_have_worked
        raise
    finally:
        ai_spending.settle(session, account, key, use, unused=unused, now=datetime.now(UTC))
        session.commit()
    return found.vectors


def _embed(connection: ModelConnection, texts: list[str], key: str) -> Embeddings:
    # Imported here: the client is large, and many installations never need it.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    settings = current_app.extensions["settings"]
    endpoint = endpoint_of(connection, SecretBox.of(settings))
    return OpenAICompatible(endpoint, policy_for(settings), BOUNDS).embed(texts, key, connection)
