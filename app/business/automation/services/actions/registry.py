"""The work of every action type, with the services each of them needs."""

from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.local_handlers import (
    CreateRecordWork,
    CreateTasksWork,
    NotifyWork,
    SwitchWork,
    UpdateRecordsWork,
)
from app.business.automation.services.actions.provider_handlers import (
    ClusterKeywordsWork,
    GenerateContentWork,
    GenerateIdeasWork,
)
from app.business.language_model import LanguageModel
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.ideas_service import IdeasService
from app.business.writer.services.content_service import ContentGenerationService


def make_works(language_model: LanguageModel) -> Works:
    """Action type -> how its unit is done; the same keys as the catalogue."""
    return {
        "cluster_keywords": ClusterKeywordsWork(ClusteringService()),
        "generate_ideas": GenerateIdeasWork(IdeasService(language_model)),
        "create_tasks": CreateTasksWork(),
        "generate_content": GenerateContentWork(ContentGenerationService(language_model)),
        "update_records": UpdateRecordsWork(),
        "create_record": CreateRecordWork(),
        "notify": NotifyWork(),
        "pause_rule": SwitchWork(on=False),
        "resume_rule": SwitchWork(on=True),
    }
