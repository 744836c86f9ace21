"""Numbers of ended runs by local day: daily sums, and the changes that they do not contain yet."""

from datetime import date, datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, owner_key

SECONDS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45)
MINUTES = (60, 90, 120, 180, 300, 600, 1200, 1800)
PACES = (*SECONDS, *MINUTES, 3600, 7200, 21600, 86400)
"""Seconds that begin the classes of a histogram: class 0 reaches to the first, the last class lies above the last."""
NO_PACE = -1
"""Of runs that did not start, or whose start was not planned."""


class RunDay(AccountOwned, Base):
    """How many runs were due on a day of the account's zone and have ended so. site_id 0, reason "": none."""

    __tablename__ = "run_day"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id", "local_day", "site_id", "status", "reason", name="uq_run_day_key"),
    )

    local_day: Mapped[date]
    site_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    reason: Mapped[str] = mapped_column(Text(32))
    runs: Mapped[int]


class RuleRunDay(AccountOwned, Base):
    """The same for each rule, without the reasons: four weeks of a list of rules are read at once."""

    __tablename__ = "rule_run_day"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint(
            "account_id", "rule_id", "local_day", "site_id", "status", name="uq_rule_run_day_key"
        ),
    )

    rule_id: Mapped[int] = mapped_column(Id)
    local_day: Mapped[date]
    site_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    runs: Mapped[int]


class RunPaceDay(AccountOwned, Base):
    """The same by how late planned runs started and how long runs took, in the classes of PACES, or NO_PACE."""

    __tablename__ = "run_pace_day"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id", "local_day", "site_id", "late", "took", name="uq_run_pace_day_key"),
    )

    local_day: Mapped[date]
    site_id: Mapped[int] = mapped_column(Id)
    late: Mapped[int]
    took: Mapped[int]
    runs: Mapped[int]


class RunDayState(AccountOwned, Base):
    """From which day of `zone` on the account's daily sums are complete, together with its changes."""

    __tablename__ = "run_day_state"
    __table_args__ = owner_key(of_account(), UniqueConstraint("account_id"))

    zone: Mapped[str] = mapped_column(Text(64))
    since_day: Mapped[date]


class RunChange(AccountOwned, Base):
    """So many more runs that have ended so (or, where `runs` is negative, fewer), until they are added to the daily
    sums.

    Triggers of the database write it in the transaction that ends, retries or deletes the run: no writer can forget
    it, and no two of them wait for each other as they would for the row of a sum.
    """

    __tablename__ = "run_change"
    __table_args__ = owner_key(
        of_account(),
    )

    scheduled_at: Mapped[datetime]
    rule_id: Mapped[int] = mapped_column(Id)
    site_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(16))
    reason: Mapped[str] = mapped_column(Text(32))
    late: Mapped[int]
    took: Mapped[int]
    runs: Mapped[int]


RunSum = type[RunDay] | type[RuleRunDay] | type[RunPaceDay]
KEYS: dict[RunSum, tuple[str, ...]] = {
    RunDay: ("local_day", "site_id", "status", "reason"),
    RuleRunDay: ("rule_id", "local_day", "site_id", "status"),
    RunPaceDay: ("local_day", "site_id", "late", "took"),
}
"""What each kind of sum is told apart by, besides the account. Changes have columns of the same names."""
