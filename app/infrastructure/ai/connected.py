"""Each account's own AI service where it has one, else that of the installation."""

from typing import TYPE_CHECKING

from app.business.language_model import (
    Completion,
    Embeddings,
    LanguageModel,
    ModelConnection,
    Prompt,
    ProviderFault,
    answers_locally,
)
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.response_formats import mode_named
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.settings import Settings

if TYPE_CHECKING:
    from app.infrastructure.ai.openai_compatible import OpenAICompatible
    from app.infrastructure.outbound.transport import Bounds

MOST_KEPT = 100
ON_THE_PAGE = "An owner must check it on the page AI service."


class ConnectedModels:
    """A LanguageModel that chooses the account's service. It caches clients, because creating one takes time."""

    def __init__(self, settings: Settings, own: LanguageModel, bounds: "Bounds | None" = None) -> None:
        self.settings, self.own, self.bounds = settings, own, bounds
        self._kept: dict[tuple[int, int], OpenAICompatible] = {}

    @property
    def is_local(self) -> bool:
        """Whether accounts without a service of their own are answered in this process."""
        return answers_locally(self.own)

    def write(self, prompt: Prompt, key: str) -> Completion:
        """Raises ProviderFault."""
        if prompt.connection is None:
            return self.own.write(prompt, key)
        return self._model_of(prompt.connection).write(prompt, key)

    def embed(self, texts: list[str], connection: ModelConnection, key: str) -> Embeddings:
        """Raises ProviderFault."""
        return self._model_of(connection).embed(texts, key, connection)

    def _model_of(self, connection: ModelConnection) -> "OpenAICompatible":
        named = (connection.id, connection.version)
        if named not in self._kept:
            # Imported here: the client is large, and many installations never need it.
            from app.infrastructure.ai.openai_compatible import OpenAICompatible

            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            endpoint = endpoint_of(connection, SecretBox.of(self.settings))
            self._kept[named] = OpenAICompatible(endpoint, policy_for(self.settings), self.bounds)
        return self._kept[named]


def policy_for(settings: Settings) -> OutboundPolicy:
    """Where an AI service may be: AI_BASE_URL's address counts as allowed."""
    return OutboundPolicy.of(settings, settings.ai_base_url)


def endpoint_of(connection: ModelConnection, box: SecretBox) -> Endpoint:
    """Decrypts the key. Raises ProviderFault if that is not possible."""
    try:
        key = box.open(connection.api_key_sealed)
    except Unreadable:
        message = (
            "The stored key of the AI service cannot be read any more. Enter it again on the page AI service."
        )
        raise ProviderFault("misconfigured", message) from None
    return Endpoint(
        base_url=connection.base_url,
        api_key=key,
        model=connection.model,
        article_model=connection.article_model,
        embedding_model=connection.embedding_model,
        mode=mode_named(connection.mode),
        key_setting=ON_THE_PAGE,
        address_setting=ON_THE_PAGE,
    )
