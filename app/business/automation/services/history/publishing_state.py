"""What became of the last attempt to publish an article, for its page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.unit_models import ActionRun
from app.business.writer.models import Content, ContentStatus
from app.business.writer.publication_models import Publication
from app.business.writer.services import publications, publishing

POST_WORDS = {
    "publish": "Published in WordPress",
    "draft": "Unpublished in WordPress: a draft",
    "future": "Scheduled in WordPress",
    "pending": "Waits for review in WordPress",
    "private": "Private in WordPress",
    "trash": "In the trash of WordPress",
    "deleted": "Deleted in WordPress",
}


@dataclass(frozen=True)
class PublishingState:
    """What is known of an article's post.

    under_way: a run publishes it now, or waits for its next try · message: what the last run has to say, if anything ·
    changed: its text was changed since it was published · by_hand: a person has entered the address.
    """

    publication: Publication | None
    run: ScheduledTask | None
    under_way: bool
    message: str
    changed: bool
    by_hand: bool

    @property
    def post(self) -> str | None:
        """The state of its post in words; None where there is none."""
        if self.publication is None or not self.publication.site_url:
            return None
        status = self.publication.post_status
        return POST_WORDS.get(status, f"In WordPress: {status}")

    @property
    def scheduled_for(self) -> datetime | None:
        """When its post becomes public, if it is scheduled."""
        if self.publication is None or self.publication.post_status != publishing.SCHEDULED:
            return None
        return self.publication.scheduled_for

    @property
    def step(self) -> Literal["overwrite", "start over"] | None:
        """What a person can do about a post that was left as it is."""
        if self.publication is None or self.under_way or not self.message:
            return None
        if self.publication.post_status in ("trash", "deleted") or publishing.IS_ELSEWHERE in self.message:
            return "start over"
        return "overwrite" if self.message == publishing.REFUSALS["edited"] else None


def publishing_state(session: Session, content: Content) -> PublishingState:
    """Two or three queries."""
    known = publications.publication_of(session, content)
    run = session.get(ScheduledTask, known.run_id) if known and known.run_id else None
    if run is not None and run.account_id != content.account_id:
        run = None
    return PublishingState(
        publication=known,
        run=run,
        under_way=run is not None and run.status in (Status.PENDING, Status.RUNNING),
        message=_message(session, content, run) if run else "",
        changed=bool(publications.changed_since(session, [content.id], content.account_id)),
        by_hand=content.status == ContentStatus.PUBLISHED and not (known and known.site_url),
    )


def _message(session: Session, content: Content, run: ScheduledTask) -> str:
    receipt = session.execute(
        select(ActionRun.status, ActionRun.message).where(
            ActionRun.account_id == content.account_id,
            ActionRun.run_id == run.id,
            ActionRun.record_type == "content",
            ActionRun.record_id == content.id,
        )
    ).first()
    if receipt is None:
        return "" if run.status == Status.COMPLETED else run.error_message
    if receipt.status == "done" or receipt.message == publishing.PUBLISHED_ALREADY:
        return ""
    return str(receipt.message)
