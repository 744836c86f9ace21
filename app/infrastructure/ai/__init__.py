"""The AI provider of this installation: the configured one, else the offline one; an account may have its own."""

from typing import TYPE_CHECKING

from app.business.language_model import LanguageModel
from app.infrastructure.ai.connected import ConnectedModels, policy_for
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.offline import OfflineModel
from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.infrastructure.outbound.transport import Bounds

OPENAI = "https://api.openai.com/v1"


def make_language_model(settings: Settings, bounds: "Bounds | None" = None) -> LanguageModel:
    """`bounds`: of each call; by default those of work that nobody waits for.

    Raises SettingsError when a provider is named but not its model.
    """
    return ConnectedModels(settings, make_own_model(settings, bounds), bounds)


def make_own_model(settings: Settings, bounds: "Bounds | None" = None) -> LanguageModel:
    """The provider of accounts without a connection of their own. Raises SettingsError."""
    if not names_provider(settings):
        return OfflineModel()
    if not settings.ai_model:
        raise SettingsError("AI_MODEL: is required with AI_BASE_URL or AI_API_KEY")
    # Imported here: the client is large, and an installation without a provider never needs it.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    endpoint = Endpoint(
        settings.ai_base_url or OPENAI, settings.ai_api_key.get_secret_value(), settings.ai_model
    )
    return OpenAICompatible(endpoint, policy_for(settings), bounds)


def load_client(settings: Settings) -> None:
    """Import the provider's client, about half a second, before processes that need it are forked."""
    if names_provider(settings):
        import app.infrastructure.ai.openai_compatible  # noqa: F401


def names_provider(settings: Settings) -> bool:
    """Whether the settings name a provider."""
    return bool(settings.ai_base_url or settings.ai_api_key.get_secret_value())
