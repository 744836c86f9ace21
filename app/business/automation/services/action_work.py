"""How each action type does its unit: read in a transaction, work outside any, save in a transaction.

`read` gives plain data (or LeftOut), `work` talks to a provider or computes and touches no database,
`save` writes outputs and their events. Local actions have nothing to do between read and save.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.automation.models import AutomationRule
from app.business.automation.services.action_catalogue import ideas_price, started, words_price
from app.business.automation.services.record_models import MODELS
from app.business.automation.services.rule_switch import switch
from app.business.automation.services.run_context import RunContext, plural
from app.business.automation.services.run_units import Done, LeftOut, Unit
from app.business.errors import Refusal
from app.business.language_model import LanguageModel
from app.business.planner.models import Cluster, Idea, IdeaStatus, Keyword, KeywordStatus
from app.business.planner.services import idea_service, record_update
from app.business.planner.services.clustering_service import ClusteringService
from app.business.planner.services.ideas_service import IdeasService
from app.business.writer.models import Task, TaskStatus
from app.business.writer.services import task_service
from app.business.writer.services.content_service import ContentGenerationService


class Work(Protocol):
    """The three halves of one unit's work."""

    def read(self, session: Session, context: RunContext, unit: Unit) -> Any | LeftOut:
        """Plain data of the work, or why this record is left out. Reads and reserves, no more."""
        ...

    def work(self, request: Any, key: str) -> Any:
        """The answer. Raises ProviderFault. No session, no transaction."""
        ...

    def save(self, session: Session, context: RunContext, unit: Unit, answer: Any) -> Done:
        """Write the outputs and their events."""
        ...


Works = Mapping[str, Work]
