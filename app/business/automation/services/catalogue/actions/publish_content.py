"""Publish articles on the WordPress of their site."""

from typing import Annotated

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects, StatusChange
from app.business.automation.services.catalogue.actions.eligibility import IneligibilityReason
from app.business.automation.services.catalogue.actions.parameters import Ids, Input, ids_input
from app.business.automation.services.catalogue.nouns import plural
from app.business.outlets.site_publisher import PostStatus
from app.business.writer.models import ContentStatus

STATUSES = {"draft": "A draft, which somebody publishes in WordPress", "publish": "Published at once"}
PHRASES = {"draft": "as drafts", "publish": "publicly at once"}


class PublishContent(Params):
    content_ids: Annotated[Ids | None, ids_input("this content")] = None
    status: Annotated[
        PostStatus | None,
        Input(
            "In WordPress it is",
            "Otherwise as the site's connection says.",
            words=STATUSES,
            none="As the site's connection says",
            phrase=lambda value, _type, _rules: PHRASES.get(value, str(value)),
        ),
    ] = None
    publish_in_days: Annotated[
        int | None,
        Field(ge=1, le=365),
        Input(
            "Becomes public in how many days",
            "WordPress publishes it then, at the same time of day. Empty: not scheduled.",
            phrase=lambda value, _type, _rules: f"scheduled for {plural(value, 'day')} later",
        ),
    ] = None
    featured_image: Annotated[
        str | None,
        Field(min_length=1, max_length=2000),
        Input(
            "Featured image",
            "Its address, of at most 1 MB. You can name fields: https://img.example.com/{id}.jpg",
            more=True,
            template=True,
            phrase=lambda _value, _type, _rules: "with a featured image",
        ),
    ] = None
    unapproved: Annotated[
        bool,
        Input(
            "Also articles that nobody has approved",
            "Only owners can choose this.",
            more=True,
            phrase=lambda _value, _type, _rules: "even if nobody has approved them",
        ),
    ] = False


class PublishContentAction(ActionType[PublishContent]):
    key = "publish_content"
    label = "Publish in WordPress"
    explanation = "Puts approved articles into the WordPress of their site; later runs update them."
    icon = "brand-wordpress"
    params = PublishContent
    takes = ("content",)
    local = False
    seconds = 150
    ids = ("content_ids",)
    events = ("status_changed",)
    statuses = (ContentStatus.APPROVED,)
    refusal = IneligibilityReason(
        "Only approved content that is not published yet is published.",
        "is not approved, or published already",
        "are not approved, or published already",
    )
    done = "sent to WordPress"

    def repeats(self, params: PublishContent) -> bool:
        return params.unapproved

    def effects(self, params: PublishContent, record_type: str | None) -> Effects:
        takes = set(ContentStatus) - {ContentStatus.PUBLISHED} if params.unapproved else set(self.statuses)
        may_be_public = params.status != "draft"
        changes = (StatusChange("content", ContentStatus.PUBLISHED),) if may_be_public else ()
        return Effects(
            changes=changes, takes=takes, fields=("published_url", "published_at") if changes else ()
        )

    def needs_owner(self, params: PublishContent) -> str | None:
        return "unapproved" if params.unapproved else None


PUBLISH_CONTENT = PublishContentAction()
