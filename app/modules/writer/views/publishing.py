"""Publishing one article from its page: in WordPress, or by hand somewhere else."""

from collections.abc import Callable
from datetime import UTC, datetime

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.operations.publish_now import publish_now
from app.business.errors import Conflict, Invalid
from app.business.outlets.site_publisher import POST_STATUSES
from app.business.writer.models import Content
from app.business.writer.services import content_edit, publications
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.display import viewer_zone
from app.modules.run_actor import actor
from app.modules.web import see_other
from app.modules.writer.views.contents import content_page


@allow(Role.OPERATOR)
def publish(id: int) -> ResponseReturnValue:
    """Publish it, update its post, or (as a draft) unpublish it; a worker does so at once."""
    content, now = owned_or_404(Content, id), datetime.now(UTC)
    wanted = request.form.get("status") or None
    status = next((known for known in POST_STATUSES if known == wanted), None)
    if wanted and status is None:
        raise Invalid({"status": ["Choose “draft” or “publish”."]})
    overwrite = request.form.get("overwrite") == "1"
    image = request.form.get("featured_image", "")
    try:
        return _done(
            content,
            lambda: publish_now(
                db.session(),
                content,
                actor(),
                now,
                status=status,
                overwrite=overwrite,
                publish_at=_publish_at(),
                featured_image=image,
            ),
            "A worker sends it to WordPress now. What came of it is shown here.",
        )
    except Invalid as refusal:
        db.session.rollback()
        return content_page(content, dict(request.form), refusal.errors), 422


def _publish_at() -> datetime | None:
    """The time typed in, in the zone in which the person reads times. Raises Invalid."""
    text = request.form.get("publish_at", "").strip()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=viewer_zone()) if text else None
    except ValueError:
        raise Invalid({"publish_at": ["Enter a day and a time."]}) from None


@allow(Role.OPERATOR)
def start_over(id: int) -> ResponseReturnValue:
    """Forget the post, so that the next publishing makes a new one."""
    content, now = owned_or_404(Content, id), datetime.now(UTC)
    return _done(
        content,
        lambda: publications.start_over(db.session(), content, now),
        "The old post is forgotten. Publish the article to make a new one.",
    )


@allow(Role.OPERATOR)
def mark_published(id: int) -> ResponseReturnValue:
    """Somebody published it by hand, at this address."""
    content, person, now = owned_or_404(Content, id), current_person(), datetime.now(UTC)
    url = request.form.get("published_url", "")
    try:
        return _done(
            content,
            lambda: content_edit.mark_published(db.session(), content, url, origin=person.origin, now=now),
            "Marked as published.",
        )
    except Invalid as refusal:
        db.session.rollback()
        return content_page(content, {"published_url": url}, refusal.errors), 422


@allow(Role.OPERATOR)
def take_back_mark(id: int) -> ResponseReturnValue:
    """It is not published there any more."""
    content, person, now = owned_or_404(Content, id), current_person(), datetime.now(UTC)
    return _done(
        content,
        lambda: publications.take_back_mark(db.session(), content, origin=person.origin, now=now),
        "Taken back: the article is approved again.",
    )


def _done(content: Content, change: Callable[[], object], said: str) -> ResponseReturnValue:
    """Back to the article's page, with what was done or why it was not."""
    try:
        change()
    except Conflict as refusal:
        db.session.rollback()
        flash(refusal.message, "warning")
    else:
        db.session.commit()
        flash(said, "success")
    return see_other(url_for("writer.content", id=content.id))
