"""Numbers of ended runs by local day: daily sums, and the changes that they do not contain yet."""

from datetime import date, datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, owner_key


class RunDay(AccountOwned, Base):
    """How many runs were due on a day of the account's zone and have ended so. site_id 0, reason "": none."""

    __tablename__ = "run_day"
    __table_args__ = owner_key(
        UniqueConstraint("account_id", "local_day", "site_id", "status", "reason", name="uq_run_day_key")
    )

    local_day: Mapped[date]
    site_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    reason: Mapped[str] = mapped_column(Text(32))
    runs: Mapped[int]


class RunDayState(AccountOwned, Base):
    """From which day of `zone` on the account's daily sums are complete, together with its changes."""

    __tablename__ = "run_day_state"
    __table_args__ = owner_key(UniqueConstraint("account_id"))

    zone: Mapped[str] = mapped_column(Text(64))
    since_day: Mapped[date]


class RunChange(AccountOwned, Base):
    """One more (or with runs = -1 one less) run that has ended so, until it is added to the daily sums.

    Triggers of the database write it in the transaction that ends, retries or deletes the run: no writer can forget
    it, and no two of them wait for each other as they would for the row of a sum.
    """

    __tablename__ = "run_change"
    __table_args__ = owner_key()

    scheduled_at: Mapped[datetime]
    site_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    reason: Mapped[str] = mapped_column(Text(32))
    runs: Mapped[int]
