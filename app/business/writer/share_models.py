"""Links by which people without a sign-in read one article."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key, same_account


class ContentShare(AccountOwned, Base):
    """A link to one article. Only the hash of its token is kept.

    created_by_id: who made it · opened_at, openings: the last time it was opened, and how often.
    """

    __tablename__ = "content_share"
    __table_args__ = owner_key(
        same_account("content_id", "content"), UniqueConstraint("token_hash"), Index(None, "content_id")
    )

    content_id: Mapped[int] = mapped_column(Id)
    token_hash: Mapped[str] = mapped_column(Text(64))
    created_by_id: Mapped[int] = mapped_column(Id)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    openings: Mapped[int] = mapped_column(default=0, server_default="0")
