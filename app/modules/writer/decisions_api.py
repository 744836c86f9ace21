"""REST: decisions on an article (approve it, send it back, publish it, say where it is published) and on tasks."""

from datetime import UTC, datetime

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.operations.publish_now import publish_now
from app.business.errors import NotFound
from app.business.writer.models import Content, ContentStatus
from app.business.writer.services import content_edit, publications
from app.business.writer.services.record_kinds import TASK
from app.infrastructure.database import db
from app.modules.access import STARTING_RUNS, current_person
from app.modules.api.bodies import Omittable
from app.modules.api.records import in_zone, row_to_change, show
from app.modules.api.resource import answer, require_present, saved
from app.modules.api.status_of_many import MovedRecordsShown, StatusOfMany, give_status
from app.modules.article_notes import tell_writer, with_note
from app.modules.run_actor import actor
from app.modules.writer.api import api
from app.modules.writer.serializers import ContentShown, MarkPublished, PublishAsked, SendBack


@api.call("POST", "/content/<int:id>/publish/", STARTING_RUNS, answers={202: ContentShown}, if_match=True)
def publish_article(id: int, body: Omittable[PublishAsked]) -> Response:
    """Publish an article on the WordPress of its site, or update its post; 409 where it is not approved.

    A worker does so at once, in a run that the history shows. Sent as a draft, what is published is unpublished.
    """
    content = content_to_decide(id)
    publish_now(
        db.session(),
        content,
        actor(),
        datetime.now(UTC),
        status=body.status,
        publish_at=in_zone(body.publish_at),
        featured_image=body.featured_image,
    )
    return _saved(content, 202)


@api.call(
    "POST", "/content/<int:id>/mark-published/", Role.OPERATOR, answers={200: ContentShown}, if_match=True
)
def mark_published(id: int, body: Omittable[MarkPublished]) -> Response:
    """Say that an approved article was published by hand, and where."""
    content, origin = content_to_decide(id), current_person().origin
    url, now = body.published_url, datetime.now(UTC)
    return _saved(content_edit.mark_published(db.session(), content, url, origin=origin, now=now))


@api.call("POST", "/content/<int:id>/approve/", Role.OPERATOR, answers={200: ContentShown}, if_match=True)
def approve_content(id: int) -> Response:
    """Approve an article."""
    return _decided(content_to_decide(id), ContentStatus.APPROVED, "")


@api.call("POST", "/content/<int:id>/send-back/", Role.OPERATOR, answers={200: ContentShown}, if_match=True)
def send_back_content(id: int, body: Omittable[SendBack]) -> Response:
    """Send an article back to be checked again, with a note."""
    return _decided(content_to_decide(id), ContentStatus.DRAFT, body.note.strip())


@api.call(
    "POST", "/content/<int:id>/take-back-mark/", Role.OPERATOR, answers={200: ContentShown}, if_match=True
)
def take_back_mark(id: int) -> Response:
    """Say that an article marked as published is not published there any more: it is approved again."""
    content, origin = content_to_decide(id), current_person().origin
    publications.take_back_mark(db.session(), content, origin=origin, now=datetime.now(UTC))
    return _saved(content)


@api.call("POST", "/content/<int:id>/start-over/", Role.OPERATOR, answers={200: ContentShown}, if_match=True)
def start_over(id: int) -> Response:
    """Forget the post of an article, so that the next publishing makes a new one."""
    content = content_to_decide(id)
    publications.start_over(db.session(), content, datetime.now(UTC))
    return _saved(content)


@api.call("POST", "/tasks/set-status/", Role.OPERATOR, answers={200: MovedRecordsShown}, errors=(NotFound,))
def set_status_of_tasks(body: StatusOfMany) -> Response:
    """Mark tasks ready (`queued`), not ready (`draft`) or done (`done`)."""
    return give_status(TASK, body)


def content_to_decide(id: int) -> Content:
    """The article to decide on, in the version given by If-Match. Raises NotFound, Stale."""
    content = row_to_change(Content, id)
    require_present(show(ContentShown, content), content.version)
    return content


def _decided(content: Content, status: ContentStatus, note: str) -> Response:
    now = datetime.now(UTC)
    changes = {"status": status, **with_note(content, note, now)}
    content_edit.update_content(db.session(), content, changes, origin=current_person().origin, now=now)
    tell_writer(content, status, note, now)
    is_brief = content.outline and status == ContentStatus.APPROVED
    return _saved(content, notice=content_edit.BRIEF_APPROVED if is_brief else "")


def _saved(content: Content, status: int = 200, notice: str = "") -> Response:
    shown = show(ContentShown, content).model_copy(update={"notice": notice})
    return saved(answer(shown, status, version=content.version))
