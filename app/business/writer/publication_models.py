"""Where an article is published: its post, and what we know of it."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key, same_account


class Publication(AccountOwned, Base):
    """The one post of an article, or the address that a person has entered.

    marker: our own id of the post, written into its text · site_url: of the WordPress that has it (empty: none has) ·
    post_status: as that site last said · scheduled_for: when a scheduled post
    becomes public · remote_hash: of the text there after our last write · pending_digest: of a
    text that we have sent and got no answer for · sent_version: version of the article that is published ·
    taken_down_at: when it stopped being published · counted_on: the site's day among whose posts it counts · claim_key,
    claim_until: the unit that publishes it now · run_id: the run that did last.
    """

    __tablename__ = "publication"
    __table_args__ = owner_key(same_account("content_id", "content"), UniqueConstraint("content_id"))

    content_id: Mapped[int] = mapped_column(Id)
    marker: Mapped[str] = mapped_column(Text(32))
    slug: Mapped[str] = mapped_column(Text(200), default="")
    site_url: Mapped[str] = mapped_column(Text(2000), default="")
    post_id: Mapped[int | None] = mapped_column(Id)
    post_url: Mapped[str] = mapped_column(Text(2000), default="")
    post_status: Mapped[str] = mapped_column(Text(32), default="")
    scheduled_for: Mapped[datetime | None]
    remote_hash: Mapped[str] = mapped_column(Text(64), default="")
    pending_digest: Mapped[str] = mapped_column(Text(16), default="")
    sent_version: Mapped[int | None]
    taken_down_at: Mapped[datetime | None]
    counted_on: Mapped[date | None]
    claim_key: Mapped[str | None] = mapped_column(Text(64))
    claim_until: Mapped[datetime | None]
    run_id: Mapped[int | None] = mapped_column(Id)
    updated_at: Mapped[datetime]


class PublishingDay(AccountOwned, Base):
    """How many articles were made public on a site in one of its local days."""

    __tablename__ = "publishing_day"
    __table_args__ = owner_key(
        same_account("site_id", "site"),
        UniqueConstraint("site_id", "local_day"),
        CheckConstraint("used >= 0", name="used_not_negative"),
    )

    site_id: Mapped[int] = mapped_column(Id)
    local_day: Mapped[date]
    used: Mapped[int] = mapped_column(default=0)
