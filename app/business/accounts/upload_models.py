"""Files that wait between two steps of a form."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key, same_account


class Upload(AccountOwned, Base):
    """A file that one person has sent, under a random name; in the database, so that every web process can read it."""

    __tablename__ = "upload"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        UniqueConstraint("name"),
        Index(None, "user_id", "id"),
        Index(None, "expires_at"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(64))
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
