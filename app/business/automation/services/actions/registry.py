"""Creates the handler of every action type, with the services it needs."""

from app.business.automation.services.actions import local_handlers, provider_handlers, webhook_handler
from app.business.automation.services.actions.handler import Works
from app.business.language_model import LanguageModel


def make_works(language_model: LanguageModel) -> Works:
    """Action type -> handler; the same keys as in the catalogue."""
    handlers = local_handlers.HANDLERS | provider_handlers.HANDLERS | webhook_handler.HANDLERS
    return {key: make(language_model) for key, make in handlers.items()}
