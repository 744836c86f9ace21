"""Reading credits: entries, months and pages."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.billing.models import EntryKind
from app.business.billing.services import ledger
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Invalid
from tests.factories import make_account


def _used(
    session: Session, account: Account, amount: int, at: datetime, kind: EntryKind = EntryKind.CHARGE
) -> None:
    CreditService().add(
        session, account_id=account.id, kind=kind, amount=-amount, key=f"{kind}-{at}", reason="Ideas", now=at
    )


def test_a_month_is_counted_by_the_days_of_the_accounts_zone(session: Session, now: datetime) -> None:
    account = make_account(session, timezone="Asia/Tokyo")
    _used(session, account, 5, datetime(2026, 10, 31, 14, 59, tzinfo=UTC))
    _used(session, account, 7, datetime(2026, 10, 31, 15, 0, tzinfo=UTC))
    _used(session, account, 11, datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    _used(session, account, -4, datetime(2026, 11, 24, 8, 30, tzinfo=UTC), EntryKind.REFUND)
    month = ledger.month_so_far(session, account.id, account.timezone, now)
    assert (month.first_on, month.granted, month.used) == (date(2026, 11, 1), 1000, 14)
    assert (month.days[0], month.days[-1]) == (
        {"on": date(2026, 11, 1), "used": 7}, {"on": date(2026, 11, 24), "used": 7},
    )  # fmt: skip
    assert len(month.days) == 24


def test_pages_of_entries_follow_one_another(session: Session, now: datetime) -> None:
    account = make_account(session)
    make_account(session)
    for hour in range(4):
        _used(session, account, 1, now.replace(hour=hour))
    first = ledger.entries(session, account.id, limit=3)
    second = ledger.entries(session, account.id, limit=3, cursor=first.next_cursor)
    assert [entry.balance_after for entry in (*first.rows, *second.rows)] == [996, 997, 998, 999, 1000]
    assert second.next_cursor is None


def test_a_damaged_cursor_is_refused(session: Session) -> None:
    with pytest.raises(Invalid, match="damaged"):
        ledger.entries(session, make_account(session).id, cursor="nonsense")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 24, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2026, 1, 31, tzinfo=UTC), date(2026, 2, 1)),
    ],
)
def test_the_next_grant_comes_on_the_first(now: datetime, expected: date) -> None:
    assert ledger.next_grant_on("UTC", now) == expected
