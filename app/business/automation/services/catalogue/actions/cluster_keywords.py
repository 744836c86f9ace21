"""Group keywords into clusters."""

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Ids, Params, started


class ClusterKeywords(Params):
    keyword_ids: Ids | None = None
    min_cluster_size: int = Field(2, ge=2, le=100)


class ClusterKeywordsAction(ActionType[ClusterKeywords]):
    """A unit is one sector's keywords; those that fit nowhere stay new and cost nothing."""

    key = "cluster_keywords"
    label = "Group keywords into clusters"
    params = ClusterKeywords
    takes = ("keyword",)
    makes = "cluster"
    unit_of = "sector"
    price_text = "1 credit for each started 10 keywords placed"
    local = False
    seconds = 300
    ids = ("keyword_ids",)
    events = ("cluster_created", "status_changed")

    def price(self, params: ClusterKeywords, amount: int = 1) -> int:
        """`amount` is the keywords placed."""
        return started(amount, 10)


CLUSTER_KEYWORDS = ClusterKeywordsAction()
