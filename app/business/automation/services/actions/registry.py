"""Creates the handler of every action type, with the services it needs."""

from app.business.automation.services.actions import (
    local_handlers,
    notify_handler,
    provider_handlers,
    question_handler,
    webhook_handler,
)
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.publishing_handler import PublishContentWork
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.language_model import LanguageModel
from app.business.outlets.site_publisher import NoPublisher, SitePublisher

NO_PUBLISHER = NoPublisher()


def make_works(language_model: LanguageModel, publisher: SitePublisher = NO_PUBLISHER) -> Works:
    """Action type -> handler; the same keys as in the catalogue."""
    modules = (local_handlers, notify_handler, question_handler, webhook_handler, provider_handlers)
    handlers = {key: make for module in modules for key, make in module.HANDLERS.items()}
    works = {key: make(language_model) for key, make in handlers.items()}
    return {**works, PUBLISH_CONTENT.key: PublishContentWork(publisher)}
