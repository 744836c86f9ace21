"""The AI provider of this installation: the one in the settings, else the offline one."""

from app.business.language_model import LanguageModel
from app.infrastructure.ai.offline import OfflineModel
from app.settings import Settings, SettingsError

OPENAI = "https://api.openai.com/v1"


def make_language_model(settings: Settings) -> LanguageModel:
    """Raises SettingsError when a provider is named but not its model."""
    key = settings.ai_api_key.get_secret_value()
    if not (settings.ai_base_url or key):
        return OfflineModel()
    if not settings.ai_model:
        raise SettingsError("AI_MODEL: is required with AI_BASE_URL or AI_API_KEY")
    # Imported here: the client is large, and an installation without a provider never needs it.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    return OpenAICompatible(settings.ai_base_url or OPENAI, key, settings.ai_model)
