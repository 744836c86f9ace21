"""Filters of lists that people keep under a name."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key, same_account


class SavedFilter(AccountOwned, Base):
    """The part of a list's address after the question mark, under a name; of one person, or shown to the account."""

    __tablename__ = "saved_filter"
    __table_args__ = owner_key(
        same_account("user_id", "user"),
        UniqueConstraint("account_id", "user_id", "page", "name"),
    )

    user_id: Mapped[int] = mapped_column(Id)
    page: Mapped[str] = mapped_column(Text(32))
    name: Mapped[str] = mapped_column(Text(80))
    query: Mapped[str] = mapped_column(Text(2000))
    is_shared: Mapped[bool]
    created_at: Mapped[datetime]
