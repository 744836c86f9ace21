"""Calendars of sites, and of the account for sites without their own."""

from pydantic import JsonValue
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Stamped, Versioned, of_account, owner_key, same_account


class SiteCalendar(AccountOwned, Stamped, Versioned, Base):
    """When a site is open. site_id: null for the calendar of the account.

    definition: null once the calendar has been removed; the row stays, so that its versions never repeat.
    """

    __tablename__ = "site_calendar"
    __table_args__ = owner_key(
        of_account(),
        same_account("site_id", "site"),
        Index("uq_site_calendar_site_id", "site_id", unique=True),
        Index(
            "uq_site_calendar_of_account",
            "account_id",
            unique=True,
            sqlite_where=text("site_id IS NULL"),
            postgresql_where=text("site_id IS NULL"),
        ),
    )

    site_id: Mapped[int | None] = mapped_column(Id)
    definition: Mapped[dict[str, JsonValue] | None]
