"""Numbers of records in use by when they were made: sums by day and quarter of an hour, and the changes that they do
not contain yet.

The days are those of UTC: with the quarters of an hour before the first of them, they tell the number since the
beginning of any day of any zone. So sums stay true when an account changes its zone.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.business.base import AccountOwned, Base, Id, Text, of_account, owner_key

PUBLISHED, ARTICLES_TO_CHECK = "published", "to_check"
"""Kinds beside the types of records: articles that are published, by when they were, and those that a person has to
check."""


class RecordSpan(StrEnum):
    """What a sum is over."""

    ALL = "all"
    DAY = "day"
    QUARTER = "quarter"


class RecordSum(AccountOwned, Base):
    """How many records of a kind that are in use were made in a span that begins at `since`.

    kind: a type of record, PUBLISHED or ARTICLES_TO_CHECK · by_rules: those of them that runs made; of PUBLISHED ones
    all.
    """

    __tablename__ = "record_sum"
    __table_args__ = owner_key(
        of_account(),
        UniqueConstraint("account_id", "span", "since", "site_id", "kind", name="uq_record_sum_key"),
    )

    span: Mapped[str] = mapped_column(Text(8))
    since: Mapped[datetime]
    site_id: Mapped[int] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(Text(16))
    records: Mapped[int]
    by_rules: Mapped[int]


class RecordChange(AccountOwned, Base):
    """So many more records that were made at that moment (or, where a number is negative, fewer), until they are added
    to the sums.

    Triggers of the database write it in the transaction that makes, changes, archives or restores the record: no writer
    can forget it, and no two of them wait for each other as they would for the row of a sum.
    """

    __tablename__ = "record_change"
    __table_args__ = owner_key(
        of_account(),
    )

    made_at: Mapped[datetime]
    site_id: Mapped[int] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(Text(16))
    records: Mapped[int]
    by_rules: Mapped[int]
