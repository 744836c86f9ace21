"""Plans, the append-only credit ledger, holds, and spending counters of budgets."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, one_of, owner_key


class Rollover(StrEnum):
    """What happens to the credits left at the start of a month."""

    ADD = "add"
    RESET = "reset"
    CAP = "cap"


class Plan(Base):
    """What an account pays for. Plans are shared by all accounts, so the table has no account id."""

    __tablename__ = "plan"
    __table_args__ = (UniqueConstraint("code"), one_of("rollover", list(Rollover)))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code: Mapped[str] = mapped_column(Text(32))
    name: Mapped[str] = mapped_column(Text(64))
    monthly_credits: Mapped[int] = mapped_column(default=0)
    shortest_interval_minutes: Mapped[int] = mapped_column(default=5)
    most_runs_per_day: Mapped[int] = mapped_column(default=1000)
    members: Mapped[int] = mapped_column(default=3)
    rollover: Mapped[str] = mapped_column(Text(8), default=Rollover.ADD)
    rollover_cap: Mapped[int | None]


class EntryKind(StrEnum):
    """Why the balance changed."""

    GRANT = "grant"
    CHARGE = "charge"
    REFUND = "refund"
    ADJUST = "adjust"
    EXPIRY = "expiry"


class CreditEntry(AccountOwned, Base):
    """One movement of credits. Never changed or deleted (database triggers); the balance is the sum.

    `key` makes a movement happen once: `grant-2026-12`, or the key of the unit of work it pays for.
    `site_id`: of a charge, the site in whose month it counts.
    """

    __tablename__ = "credit_entry"
    __table_args__ = owner_key(
        of_account(),
        one_of("kind", list(EntryKind)),
        UniqueConstraint("account_id", "key"),
        Index(None, "account_id", "run_id"),
        Index(None, "account_id", "created_at"),
        Index(None, "account_id", "kind", "id"),
        CheckConstraint("balance_after >= 0", name="balance_not_negative"),
    )

    kind: Mapped[str] = mapped_column(Text(16))
    amount: Mapped[int]
    balance_after: Mapped[int]
    key: Mapped[str] = mapped_column(Text(128))
    reason: Mapped[str] = mapped_column(Text(255))
    run_id: Mapped[int | None] = mapped_column(Id)
    user_id: Mapped[int | None] = mapped_column(Id)
    site_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]


class CreditDay(AccountOwned, Base):
    """The sum of an account's credit entries of one local day: by kind, site, action, and rule and cause of the run.

    site_id: in whose month a charge counts, else the run's · action: the type of the action whose unit was paid · runs:
    how many runs have their first charge or refund among them. rule_id and site_id are 0, and cause and action empty,
    where there is none.
    """

    __tablename__ = "credit_day"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint(
            "account_id",
            "local_day",
            "kind",
            "rule_id",
            "site_id",
            "cause",
            "action",
            name="uq_credit_day_key",
        ),
    )

    local_day: Mapped[date]
    kind: Mapped[str] = mapped_column(Text(16))
    rule_id: Mapped[int] = mapped_column(Id, default=0)
    site_id: Mapped[int] = mapped_column(Id, default=0)
    cause: Mapped[str] = mapped_column(Text(16), default="")
    action: Mapped[str] = mapped_column(Text(32), default="")
    amount: Mapped[int] = mapped_column(Id)
    runs: Mapped[int] = mapped_column(default=0)


class CreditDayState(AccountOwned, Base):
    """How far an account's entries are part of its daily sums: up to `last_entry_id`, by the days of `zone`."""

    __tablename__ = "credit_day_state"
    __table_args__ = owner_key(of_account(), UniqueConstraint("account_id"))

    zone: Mapped[str] = mapped_column(Text(64))
    last_entry_id: Mapped[int] = mapped_column(Id, default=0)


class CreditHold(AccountOwned, Base):
    """Credits set aside for one run: `posted` of `amount` are charged; closing gives the rest back."""

    __tablename__ = "credit_hold"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("run_id"),
        one_of("state", ("open", "closed")),
        CheckConstraint("posted >= 0 AND posted <= amount", name="posted_within_amount"),
    )

    run_id: Mapped[int] = mapped_column(Id)
    amount: Mapped[int]
    posted: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(Text(8), default="open")
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class BudgetScope(StrEnum):
    """What a spend counter counts for: account (a day), rule and site (a month), start (a run with its follow-ups)."""

    ACCOUNT = "account"
    RULE = "rule"
    SITE = "site"
    START = "start"


class CreditHoldPart(AccountOwned, Base):
    """What one run set aside on one spend counter, and what it spent of it: released from here, never recomputed.

    Over the parts of one scope, `amount` and `posted` add up to what the run's hold has set aside and charged.
    """

    __tablename__ = "credit_hold_part"
    __table_args__ = owner_key(
        of_account(),
        one_of("scope", list(BudgetScope)),
        UniqueConstraint("run_id", "scope", "scope_id", "period"),
        Index(None, "account_id", "scope", "scope_id", "period"),
        CheckConstraint("posted >= 0 AND posted <= amount", name="posted_within_amount"),
    )

    run_id: Mapped[int] = mapped_column(Id)
    scope: Mapped[str] = mapped_column(Text(8))
    scope_id: Mapped[int] = mapped_column(Id)
    period: Mapped[str] = mapped_column(Text(10))
    amount: Mapped[int]
    posted: Mapped[int] = mapped_column(default=0)


class SpendCounter(AccountOwned, Base):
    """Spent and held credits of one budget in one period: day `2026-11-24`, month `2026-11`, or `total`.

    `scope_id` is the row's id: the account's own for account, the first run's for start, 0 for no one site.
    `opening`: what was spent before the parts of each run were kept.
    """

    __tablename__ = "spend_counter"
    __table_args__ = owner_key(
        of_account(),
        one_of("scope", list(BudgetScope)),
        UniqueConstraint("account_id", "scope", "scope_id", "period"),
        CheckConstraint("spent >= 0 AND held >= 0", name="not_negative"),
    )

    scope: Mapped[str] = mapped_column(Text(8))
    scope_id: Mapped[int] = mapped_column(Id)
    period: Mapped[str] = mapped_column(Text(10))
    spent: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)
    opening: Mapped[int] = mapped_column(default=0, server_default="0")
