"""Publishing one article for a person: a run like any other, of a rule that every account has and no list shows.

So it is in the history with who asked for it, is done by a step worker, outlives a worker's death, and is tried again.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.actions.built_in_publishing import WISH, publishing_rule
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.errors import Invalid
from app.business.outlets.site_publisher import PostStatus
from app.business.writer.models import Content
from app.business.writer.services import publications, publishing
from app.business.writer.services.content_edit import web_address

FURTHEST = timedelta(days=366)
IMAGE_EXAMPLE = "https://example.com/image.jpg"


def publish_now(
    session: Session,
    content: Content,
    actor: Actor,
    now: datetime,
    *,
    status: PostStatus | None = None,
    overwrite: bool = False,
    publish_at: datetime | None = None,
    featured_image: str = "",
) -> ScheduledTask:
    """Open the run that publishes the article, or updates its post. Raises Conflict where that cannot be.

    `status`: None keeps that of a published article, else it is the default of the site. `publish_at`: when it becomes
    public.
    """
    image = web_address(featured_image, "featured_image", IMAGE_EXAMPLE) if featured_image.strip() else ""
    if publish_at is not None:
        _require_ahead(publish_at, status, now)
    publishing.require_publishable(session, content)
    opening = Opening(
        actor.cause,
        now,
        record_type="content",
        records=[content.id],
        site_id=content.site_id,
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        options={
            WISH: {
                "status": status,
                "overwrite": overwrite,
                "publish_at": publish_at.isoformat() if publish_at else None,
                "featured_image": image,
            }
        },
    )
    run = open_run(session, publishing_rule(session, content.account_id, now), opening)
    publications.note_run(session, content, run.id, now)
    return run


def _require_ahead(at: datetime, status: PostStatus | None, now: datetime) -> None:
    if status == "draft":
        raise Invalid({"publish_at": ["A draft has no time. Leave out the one or the other."]})
    if not now < at <= now + FURTHEST:
        raise Invalid({"publish_at": ["Choose a time in the future, within a year."]})
