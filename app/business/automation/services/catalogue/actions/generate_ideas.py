"""Generate content ideas for clusters."""

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Ids, Params, started

CREDITS_FOR_FIVE = 5


class GenerateIdeas(Params):
    cluster_ids: Ids | None = None
    ideas_per_cluster: int = Field(3, ge=1, le=10)
    again: bool = False


class GenerateIdeasAction(ActionType[GenerateIdeas]):
    key = "generate_ideas"
    label = "Generate content ideas"
    params = GenerateIdeas
    takes = ("cluster",)
    makes = "idea"
    price_text = "5 credits for each cluster and started 5 ideas"
    local = False
    seconds = 180
    ids = ("cluster_ids",)
    events = ("idea_created", "status_changed")

    def price(self, params: GenerateIdeas, amount: int = 1) -> int:
        return CREDITS_FOR_FIVE * started(params.ideas_per_cluster, 5)

    def charge(self, params: GenerateIdeas, delivered: int) -> int:
        """For the ideas that really came, at most what was asked for."""
        return min(CREDITS_FOR_FIVE * started(delivered, 5), self.price(params))


GENERATE_IDEAS = GenerateIdeasAction()
