"""Vectors of a preview's keywords by the account's AI service."""

from flask import current_app

from app.business.accounts.models import Account
from app.business.language_model import Embeddings, ModelConnection, ModelUse
from app.business.planner.services.clustering_service import VECTORS_VERSION
from app.infrastructure.ai.connected import endpoint_of, policy_for
from app.infrastructure.ai.probe import BOUNDS
from app.infrastructure.secret_box import SecretBox
from app.modules.counted_call import counted_call


def vectors_by_service(account: Account, connection: ModelConnection, texts: list[str]) -> list[list[float]]:
    """One for each text. No transaction is open during the calls. Raises ProviderFault."""
    most = sum(len(text) + 2 for text in texts)
    with counted_call(account, connection, f"preview-{connection.id}", (most, 0)) as call:
        found = _embed(connection, texts, call.key)
        cost = connection.cost(found.tokens, 0) if found.tokens else None
        call.use = ModelUse(connection.embedding_model, VECTORS_VERSION, found.tokens, 0, cost)
    return found.vectors


def _embed(connection: ModelConnection, texts: list[str], key: str) -> Embeddings:
    # Imported here: the client is large, and many installations never need it.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    settings = current_app.extensions["settings"]
    endpoint = endpoint_of(connection, SecretBox.of(settings))
    return OpenAICompatible(endpoint, policy_for(settings), BOUNDS).embed(texts, key, connection)
