"""Publishes articles on the WordPress of their site, idempotently: one post for one article.

`begin` claims the article for one unit and returns the request to send; `finish` records the answer of the site.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.business.base import RowValues, Values
from app.business.errors import Conflict, NotFound
from app.business.events import Origin
from app.business.language_model import FaultKind
from app.business.outlets.services import wordpress_connections
from app.business.outlets.site_publisher import (
    Post,
    PostRequest,
    PostStatus,
    Refusal,
    SiteConnection,
)
from app.business.planner.models import Site
from app.business.writer.models import Content, ContentStatus
from app.business.writer.publication_models import Publication
from app.business.writer.services.publications import (
    BUSY,
    move_with_post,
    publication_of,
    record_of,
    set_values,
)
from app.business.writer.services.publishing_days import DayIsFull, release_place, reserve_place, site_zone
from app.business.writer.services.sent_article import digest_of, sent_article

CLAIMED_FOR = timedelta(minutes=3)
"""Longer than the time limit of a unit; meanwhile no other unit publishes the article."""
PUBLISHED_ALREADY = "It is published already."
TAKEN_DOWN = "It was taken off its site. Publish it on its page, or approve it anew."
PUBLIC: PostStatus = "publish"
"""WordPress's status of a public post."""
SCHEDULED = "future"
"""WordPress's status of a post that becomes public by itself."""
SCHEDULED_ALREADY = "It is scheduled in WordPress already."
NOT_SCHEDULED = "It is not scheduled in WordPress any more."
TAKEN_OVER = "Another run has taken over publishing it."
START_OVER = "“Start over with a new post” on the article's page"
IS_ELSEWHERE = ", and the site is connected to another WordPress now"
REFUSALS: Mapping[Refusal, str] = {
    "trashed": f"Somebody has put its post in the trash of WordPress. Restore it there, or choose {START_OVER}.",
    "deleted": f"Somebody has deleted its post in WordPress. To publish it anew, choose {START_OVER}.",
    "edited": "Somebody has edited its post in WordPress since. It is left as it is there; “Overwrite the post” on the "
    "article's page replaces it.",
    "moved": f"Its post is at {{elsewhere}}{IS_ELSEWHERE}. Connect that again, or choose {START_OVER}.",
}


@dataclass(frozen=True)
class Impossible:
    """Why the article cannot be published now, although its state allows it."""

    kind: FaultKind
    message: str


@dataclass(frozen=True)
class PublishOptions:
    """status: None keeps that of a published article; for others it is the default of the site.

    by_hand: a person asked for this article, so it is sent even if it is published already · unapproved: also an
    article that is not approved · overwrite: also a post that was edited in WordPress · publish_at: when it becomes
    public · featured_image: its address · only_reads: how a scheduled post stands, nothing is sent.
    """

    status: PostStatus | None = None
    by_hand: bool = False
    unapproved: bool = False
    overwrite: bool = False
    publish_at: datetime | None = None
    featured_image: str = ""
    only_reads: bool = False


def require_publishable(session: Session, content: Content) -> None:
    """Raises Conflict where a person cannot have the article published now."""
    if why := _why_not(content, unapproved=False):
        raise Conflict(why)
    if content.status == ContentStatus.PUBLISHED:
        known = publication_of(session, content)
        if known is None or not known.site_url:
            raise Conflict("It is marked as published by hand. Take that back first, then publish it.")
    if wordpress_connections.find(session, content.account_id, content.site_id) is None:
        raise Conflict("No WordPress is connected to its site. An owner can connect it on the site's page.")


def begin(
    session: Session, content_id: int, options: PublishOptions, key: str, *, origin: Origin, now: datetime
) -> PostRequest | Impossible | DayIsFull:
    """Claim the article for the unit `key`. Raises Conflict if its state does not allow publishing, NotFound."""
    query = select(Content).where(Content.account_id == origin.account_id, Content.id == content_id)
    content = session.scalar(query.execution_options(populate_existing=True))
    if content is None:
        raise NotFound(f"Content {content_id} was not found.")
    if why := _why_not(content, unapproved=options.unapproved):
        raise Conflict(why)
    if content.status == ContentStatus.PUBLISHED and not options.by_hand:
        raise Conflict(PUBLISHED_ALREADY)
    row = wordpress_connections.find(session, content.account_id, content.site_id)
    if row is None:
        site = session.get_one(Site, content.site_id).name
        message = f"No WordPress is connected to {site}. An owner can connect it on the site's page."
        return Impossible("misconfigured", message)
    known = _claim(session, content, key, origin, now)
    if known is None:
        return Impossible("connection", BUSY)
    session.refresh(content)
    if not options.by_hand and (why := _why_left_to_people(content, known)):
        release(session, content_id, key, origin)
        raise Conflict(why)
    if options.only_reads and (known.post_status != SCHEDULED or not known.post_id):
        release(session, content_id, key, origin)
        raise Conflict(NOT_SCHEDULED)
    request = _request(content, known, wordpress_connections.as_data(row), options, key, now)
    if request.only_reads:
        return request
    full = _count(session, content, known, request, row.max_per_day, now)
    if full:
        release(session, content_id, key, origin)
        return full
    sent = {"slug": request.article.slug, "pending_digest": request.digest}
    _update(session, content_id, key, origin, sent)
    return request


def _count(
    session: Session,
    content: Content,
    known: Publication,
    request: PostRequest,
    limit: int | None,
    now: datetime,
) -> DayIsFull | Impossible | None:
    """Count the article, once, against the site's limit for the day on which it becomes public."""
    if limit is None or request.status != PUBLIC or content.status == ContentStatus.PUBLISHED:
        return None
    site, at = session.get_one(Site, content.site_id), request.publish_at or now
    local = at.astimezone(site_zone(session, site)).date()
    if known.counted_on == local:
        return None
    day = reserve_place(session, site, limit, at)
    if isinstance(day, DayIsFull) and at > now:
        most = "1 article" if limit == 1 else f"{limit:,} articles"
        message = f"{site.name} has its {most} a day on {local:%d %b} already. Choose another day."
        return Impossible("misconfigured", message)
    if isinstance(day, DayIsFull):
        return day
    set_values(session, content, now, counted_on=day)
    return None


def _request(
    content: Content,
    known: Publication,
    connection: SiteConnection,
    options: PublishOptions,
    key: str,
    now: datetime,
) -> PostRequest:
    article = sent_article(content, connection, known.slug)
    is_here = known.site_url in ("", connection.url)
    keeps = content.status == ContentStatus.PUBLISHED or (is_here and known.post_status == SCHEDULED)
    status = options.status or (None if keeps else connection.default_status)
    # A scheduled post becomes public at once only with another date.
    at_once = now if status == PUBLIC and known.post_status == SCHEDULED else None
    return PostRequest(
        key=key,
        connection=connection,
        article=article,
        marker=known.marker,
        digest=digest_of(article),
        version=content.version,
        status=PUBLIC if options.publish_at else status,
        post_id=known.post_id if is_here else None,
        remote_hash=known.remote_hash,
        unanswered=known.pending_digest,
        overwrite=options.overwrite,
        # A draft left on another site, such as a staging one, is not public.
        elsewhere="" if is_here or known.post_status != PUBLIC else known.site_url,
        publish_at=options.publish_at or at_once,
        featured_image=options.featured_image,
        only_reads=options.only_reads,
    )


def finish(session: Session, content_id: int, post: Post, *, origin: Origin, now: datetime) -> None:
    """Record the site's answer and release the claim. Raises Conflict if another unit has claimed the article."""
    request = post.request
    values: RowValues = {"claim_key": None, "claim_until": None, "pending_digest": "", "updated_at": now}
    if post.refusal in ("trashed", "deleted"):
        gone = "trash" if post.refusal == "trashed" else "deleted"
        values |= {"post_status": gone, "scheduled_for": None}
    elif request.only_reads:
        values |= {"post_url": post.url, "post_status": post.status, "scheduled_for": post.publish_at}
        del values["pending_digest"]
    elif post.refusal is None:
        values |= {
            "site_url": request.connection.url,
            "post_id": post.id,
            "post_url": post.url,
            "post_status": post.status,
            "scheduled_for": post.publish_at,
            "remote_hash": post.remote_hash,
            "sent_version": request.version,
        }
    content = session.get_one(Content, content_id)
    if not _update(session, content_id, request.key, origin, values):
        raise Conflict(TAKEN_OVER)
    if post.refusal not in ("edited", "moved"):
        _follow(session, content, post, origin, now)


def refusal_of(post: Post) -> str | None:
    """Why nothing was written, as a sentence."""
    return REFUSALS[post.refusal].format(elsewhere=post.request.elsewhere) if post.refusal else None


def release(session: Session, content_id: int, key: str, origin: Origin, *, is_unsent: bool = False) -> None:
    """Release the claim of a failed unit; the next unit finds out whether the site has written the post.

    is_unsent: nothing was sent, so the article no longer counts against its day's limit.
    """
    free = {"claim_key": None, "claim_until": None}
    if not is_unsent:
        _update(session, content_id, key, origin, free)
        return
    content = session.get_one(Content, content_id)
    known = publication_of(session, content)
    day = known.counted_on if known else None
    if _update(session, content_id, key, origin, free | {"counted_on": None}) and day:
        release_place(session, content.account_id, content.site_id, day)


def _why_not(content: Content, *, unapproved: bool) -> str | None:
    if content.archived_at is not None:
        return "It is archived."
    if content.outline:
        return "It is a brief, which is not published. Write the article first."
    if not content.html.strip():
        return "It has no text yet."
    if content.status not in (ContentStatus.APPROVED, ContentStatus.PUBLISHED) and not unapproved:
        return "It is not approved. Approve it first."
    return None


def _why_left_to_people(content: Content, known: Publication) -> str | None:
    """Why rules must not publish the article: it is published, or was taken down after its approval."""
    if content.status == ContentStatus.PUBLISHED:
        return PUBLISHED_ALREADY
    if known.post_status == SCHEDULED and known.site_url:
        return SCHEDULED_ALREADY
    if known.taken_down_at and content.status_since <= known.taken_down_at:
        return TAKEN_DOWN
    return None


def _claim(session: Session, content: Content, key: str, origin: Origin, now: datetime) -> Publication | None:
    """Claim the article and return the record of its post; None if another unit has the claim."""
    row = record_of(session, content, now)
    free = or_(Publication.claim_key.is_(None), Publication.claim_key == key, Publication.claim_until < now)
    claim = {"claim_key": key, "claim_until": now + CLAIMED_FOR, "run_id": origin.run_id, "updated_at": now}
    claimed = session.execute(
        update(Publication)
        .where(Publication.id == row.id, Publication.account_id == row.account_id, free)
        .values(**claim)
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    ).first()
    return publication_of(session, content) if claimed else None


def _update(session: Session, content_id: int, key: str, origin: Origin, values: Values) -> bool:
    changed = session.execute(
        update(Publication)
        .where(
            Publication.account_id == origin.account_id,
            Publication.content_id == content_id,
            Publication.claim_key == key,
        )
        .values(**values)
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    ).first()
    return changed is not None


def _follow(session: Session, content: Content, post: Post, origin: Origin, now: datetime) -> None:
    """Set the article's status to match that of its post."""
    if post.status == PUBLIC and post.refusal is None:
        move_with_post(session, content, set(ContentStatus), ContentStatus.PUBLISHED, post.url, origin, now)
    else:
        move_with_post(session, content, {ContentStatus.PUBLISHED}, ContentStatus.APPROVED, None, origin, now)
