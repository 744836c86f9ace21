"""Group keywords into clusters."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.actions.base import ActionType, Measure, Params, started
from app.business.automation.services.catalogue.actions.effects import Creates, Effects, StatusChange
from app.business.automation.services.catalogue.actions.eligibility import (
    IneligibilityReason,
    LeftOver,
    PastEligibility,
)
from app.business.automation.services.catalogue.actions.parameters import Ids, Input, counted, ids_input
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.events import EventType
from app.business.planner.models import ClusterStatus, Keyword, KeywordStatus

AGAIN_AFTER = timedelta(days=7)
USUAL_SIZE = 5
"""Estimated keywords per cluster."""


class ClusterKeywords(Params):
    keyword_ids: Annotated[Ids | None, ids_input("these keywords")] = None
    min_cluster_size: Annotated[
        int,
        Field(ge=2, le=100),
        Input(
            "Fewest keywords in a cluster",
            "Keywords that fit nowhere stay new and are tried again after 7 days.",
            phrase=counted("at least {:,} in each"),
        ),
    ] = 2


class PastTries(PastEligibility):
    """By status, and by the time of the last attempt."""

    columns = ("status", "cluster_tried_at")

    def holds(self, record_id: int, own: Mapping[str, FieldValue], at: datetime) -> bool:
        """A time in the future is today's value: the time of the attempt before it is not known."""
        tried_at = own.get("cluster_tried_at")
        rests = isinstance(tried_at, datetime) and at - AGAIN_AFTER <= tried_at <= at
        return super().holds(record_id, own, at) and not rests


class ClusterKeywordsAction(ActionType[ClusterKeywords]):
    """A unit is one sector's keywords; those that fit nowhere stay new and cost nothing."""

    key = "cluster_keywords"
    label = "Group keywords into clusters"
    explanation = (
        "Puts keywords that mean the same into clusters: first into near ones that are here, then into new "
        "ones. Keywords that fit nowhere stay new, are free, and are tried again after a week. Up to 3,000 "
        "keywords in a sector, clusters that nobody has changed or worked on are put in order anew whenever "
        "it has grown by half."
    )
    icon = "topology-star-3"
    params = ClusterKeywords
    takes = ("keyword",)
    makes = "cluster"
    unit_of = "sector"
    price_text = "1 credit for every 10 keywords placed, rounded up"
    measure = Measure(Keyword.sector_id)
    local = False
    may_ask_model = True
    seconds = 300
    ids = ("keyword_ids",)
    events = ("cluster_created", "status_changed")
    statuses = (KeywordStatus.NEW,)
    refusal = IneligibilityReason(
        "It is not new any more: only new keywords are grouped.",
        "is not new any more",
        "are not new any more",
    )
    left_over = LeftOver(
        Keyword.status == KeywordStatus.NEW,
        Keyword.cluster_tried_at,
        AGAIN_AFTER,
        "No keyword fitted a cluster; they stay new and are tried again in a week.",
        IneligibilityReason(
            "It fitted no cluster when it was tried within the last 7 days; it is tried again a week after that.",
            "fitted no cluster within the last 7 days and rests",
            "fitted no cluster within the last 7 days and rest",
        ),
    )
    usual_limit = 500
    most_records = 5000
    done = "clustered"

    def price(self, params: ClusterKeywords, amount: int = 1, *, connected: bool = True) -> int:
        """By the number of keywords placed."""
        return started(amount, 10)

    def made_from(self, params: ClusterKeywords, count: int, *, most: bool) -> int:
        return count // params.min_cluster_size if most else started(count, USUAL_SIZE)

    def past(self, session: Session, account_id: int) -> PastEligibility:
        return PastTries(self.statuses)

    def effects(self, params: ClusterKeywords, record_type: str | None) -> Effects:
        statuses: Collection[str] = {KeywordStatus.NEW}
        return Effects(
            (Creates(EventType.CLUSTER_CREATED, "cluster", {"status": ClusterStatus.NEW}),),
            (StatusChange("keyword", KeywordStatus.CLUSTERED),),
            takes=statuses,
            fields=("cluster",),
        )


CLUSTER_KEYWORDS = ClusterKeywordsAction()
