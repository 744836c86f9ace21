"""Generate content ideas for clusters."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.base import ActionType, Params, started
from app.business.automation.services.catalogue.actions.effects import Creates, Effects, StatusChange
from app.business.automation.services.catalogue.actions.eligibility import (
    IneligibilityReason,
    PastEligibility,
)
from app.business.automation.services.catalogue.actions.parameters import (
    Again,
    Ids,
    Input,
    counted,
    ids_input,
)
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.events import EventType
from app.business.planner.models import Cluster, ClusterStatus, Idea, IdeaStatus

CREDITS_FOR_FIVE = 5


class GenerateIdeas(Params):
    cluster_ids: Annotated[Ids | None, ids_input("these clusters")] = None
    ideas_per_cluster: Annotated[
        int,
        Field(ge=1, le=10),
        Input(
            "Ideas for each cluster, at most",
            "One page for what its searchers want; further ones only for questions, comparisons and how-tos that no "
            "page of the site answers.",
            phrase=counted("at most {:,} for each cluster"),
            always=True,
        ),
    ] = 3
    again: Again = False


class PastIdeas(PastEligibility):
    """By the time of the cluster's first idea."""

    needs_values = False
    takes_all = False

    def __init__(self, first_at: Mapping[int, datetime]) -> None:
        super().__init__()
        self.first_at = first_at

    def holds(self, record_id: int, own: Mapping[str, FieldValue], at: datetime) -> bool:
        first_at = self.first_at.get(record_id)
        return first_at is None or first_at >= at


class GenerateIdeasAction(ActionType[GenerateIdeas]):
    key = "generate_ideas"
    label = "Generate content ideas"
    explanation = "Writes ideas for articles on each cluster."
    icon = "bulb"
    params = GenerateIdeas
    takes = ("cluster",)
    makes = "idea"
    price_text = "5 credits for every 5 ideas of a cluster, rounded up"
    local = False
    asks_model = True
    seconds = 600
    ids = ("cluster_ids",)
    events = ("idea_created", "status_changed")
    refusal = IneligibilityReason("It has ideas already.", "has ideas already", "have ideas already")
    done = "given ideas"

    def price(self, params: GenerateIdeas, amount: int = 1, *, connected: bool = True) -> int:
        return CREDITS_FOR_FIVE * started(params.ideas_per_cluster, 5)

    def charge(self, params: GenerateIdeas, delivered: int) -> int:
        """The price of the ideas that were delivered, at most of those requested."""
        return min(CREDITS_FOR_FIVE * started(delivered, 5), self.price(params))

    def repeats(self, params: GenerateIdeas) -> bool:
        return params.again

    def made_from(self, params: GenerateIdeas, count: int, *, most: bool) -> int:
        return count * params.ideas_per_cluster

    def accepts(self) -> ColumnElement[bool]:
        return ~select(Idea.id).where(Idea.cluster_id == Cluster.id).exists()

    def past(self, session: Session, account_id: int) -> PastEligibility:
        first = select(Idea.cluster_id, func.min(Idea.created_at)).where(
            Idea.account_id == account_id, Idea.cluster_id.is_not(None)
        )
        rows = session.execute(first.group_by(Idea.cluster_id))
        return PastIdeas({cluster_id: at for cluster_id, at in rows if cluster_id is not None})

    def effects(self, params: GenerateIdeas, record_type: str | None) -> Effects:
        return Effects(
            (Creates(EventType.IDEA_CREATED, "idea", {"status": IdeaStatus.NEW}),),
            (StatusChange("cluster", ClusterStatus.PLANNED),),
        )


GENERATE_IDEAS = GenerateIdeasAction()
