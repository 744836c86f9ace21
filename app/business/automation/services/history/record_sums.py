"""Keeps the sums of records in use by when they were made: `pipeline` reads them."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.business.automation.record_total_models import RecordChange, RecordSpan, RecordSum
from app.business.base import RowValues
from app.business.row_sets import add_each

MOST_CHANGES = 800
"""Changes in a transaction: others can write in between."""
MOST_TURNS = 50
"""Transactions in one sweep."""
QUARTER = timedelta(minutes=15)
"""Every zone is ahead of UTC by whole ones."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY = ("account_id", "span", "since", "site_id", "kind")

Transaction = Callable[[], AbstractContextManager[Session]]


def keep_sums(transaction: Transaction) -> None:
    """Add what changed to the sums of every account."""
    for _ in range(MOST_TURNS):
        with transaction() as session:
            if not add_changes(session):
                return


def add_changes(session: Session, most: int = MOST_CHANGES) -> bool:
    """Add the oldest changes. False when none is left."""
    change = RecordChange
    oldest = select(change.id).order_by(change.id).limit(most)
    taken = session.execute(
        delete(change)
        .where(change.id.in_(oldest))
        .returning(
            change.account_id, change.made_at, change.site_id, change.kind, change.records, change.by_rules
        )
        .execution_options(synchronize_session=False)
    ).all()
    sums: dict[tuple[int, str, datetime, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in taken:
        for span, since in _spans(row.made_at):
            of_span = sums[row.account_id, span, since, row.site_id, row.kind]
            of_span[0] += row.records
            of_span[1] += row.by_rules
    rows: list[RowValues] = [
        {**dict(zip(KEY, key, strict=True)), "records": records, "by_rules": by_rules}
        # In the order of keys, like every writer of them.
        for key, (records, by_rules) in sorted(sums.items())
        if records or by_rules
    ]
    add_each(session, RecordSum, rows, unique=KEY, add=("records", "by_rules"))
    return len(taken) == most


def quarter_of(at: datetime) -> datetime:
    """The quarter of an hour that the instant is in."""
    return at - (at - EPOCH) % QUARTER


def next_day(at: datetime) -> datetime:
    """The first day of UTC that begins at the instant or after it."""
    day = datetime.combine(at.astimezone(UTC), time(), UTC)
    return day if day >= at else day + timedelta(days=1)


def _spans(at: datetime) -> Iterator[tuple[RecordSpan, datetime]]:
    yield RecordSpan.ALL, EPOCH
    yield RecordSpan.DAY, datetime.combine(at.astimezone(UTC), time(), UTC)
    yield RecordSpan.QUARTER, quarter_of(at)
