"""The WordPress that a site is published on."""

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import (
    AccountOwned,
    Base,
    Id,
    Stamped,
    Text,
    Versioned,
    one_of,
    owner_key,
    same_account,
)
from app.business.outlets.site_publisher import POST_STATUSES


class WordPressConnection(AccountOwned, Stamped, Versioned, Base):
    """How articles of a site reach its WordPress.

    password_sealed: the application password, encrypted · default_status: of posts, unless the action names another ·
    categories: that every post gets, by name · author: name of the author of every post (empty: the user itself) ·
    max_per_day: posts made public in one of the site's days (null: no limit).
    """

    __tablename__ = "wordpress_connection"
    __table_args__ = owner_key(
        same_account("site_id", "site"),
        UniqueConstraint("site_id"),
        one_of("default_status", POST_STATUSES),
        CheckConstraint("max_per_day >= 1", name="max_per_day_positive"),
    )

    site_id: Mapped[int] = mapped_column(Id)
    url: Mapped[str] = mapped_column(Text(2000))
    username: Mapped[str] = mapped_column(Text(255))
    password_sealed: Mapped[str] = mapped_column(Text())
    default_status: Mapped[str] = mapped_column(Text(16), default="draft")
    categories: Mapped[list[str]] = mapped_column(default=list)
    author: Mapped[str] = mapped_column(Text(255), default="")
    max_per_day: Mapped[int | None]
    tested_at: Mapped[datetime | None]
