"""The daily report of an account: one row for each of its days."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, of_account, owner_key


class DailyReport(AccountOwned, Base):
    """What happened from `since` until it was written; the row is also the proof that its mails are written.

    on: the day in the account's zone · facts: what the morning line is made of.
    """

    __tablename__ = "daily_report"
    __table_args__ = owner_key(of_account(), UniqueConstraint("account_id", "on"))

    on: Mapped[date]
    since: Mapped[datetime]
    facts: Mapped[dict[str, JsonValue]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
