"""Writes each account's report once a day, at eight o'clock of its zone, however many workers look."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus
from app.business.automation.report_models import DailyReport
from app.business.automation.services.reports import digest, morning_line
from app.business.base import RowValues
from app.business.database_faults import stops_all
from app.business.upsert import insert_many_new

WRITTEN_AT, UNTIL = time(8), time(12)
"""An installation that was down at eight writes it later, but not in the afternoon."""
LONGEST = timedelta(days=3)
MOST_ACCOUNTS = 20


@dataclass
class DailyWork:
    """The number of reports written, and the errors of accounts that failed."""

    written: int = 0
    failed: dict[int, Exception] = field(default_factory=dict)


def write_reports(
    transaction: Callable[[], AbstractContextManager[Session]],
    reading: Callable[[], AbstractContextManager[Session]],
    now: datetime,
) -> DailyWork:
    """Write what is due, in a transaction for each account."""
    done = DailyWork()
    with reading() as session:
        due = due_accounts(session, now)
    for account_id, on in due:
        try:
            with transaction() as session:
                done.written += write_report(session, session.get_one(Account, account_id), on, now)
        # An error of one account must not stop the reports of others.
        except Exception as error:
            if stops_all(error):
                raise
            done.failed[account_id] = error
    return done


def due_accounts(session: Session, now: datetime) -> list[tuple[int, date]]:
    """Active accounts whose report of today is due and not written, with their day."""
    is_active = Account.status == AccountStatus.ACTIVE
    found: list[tuple[int, date]] = []
    for zone in session.scalars(select(Account.timezone).where(is_active).distinct()).all():
        local = now.astimezone(ZoneInfo(zone))
        if not WRITTEN_AT <= local.time() < UNTIL:
            continue
        begun = datetime.combine(local.date(), WRITTEN_AT, ZoneInfo(zone))
        known = exists().where(DailyReport.account_id == Account.id, DailyReport.on == local.date())
        query = select(Account.id).where(
            is_active, Account.timezone == zone, Account.created_at < begun, ~known
        )
        found += [
            (id, local.date()) for id in session.scalars(query.order_by(Account.id).limit(MOST_ACCOUNTS))
        ]
    return found[:MOST_ACCOUNTS]


def write_report(session: Session, account: Account, on: date, now: datetime) -> bool:
    """False where another worker has written it."""
    last = session.scalar(
        select(func.max(DailyReport.created_at)).where(DailyReport.account_id == account.id)
    )
    since = max(last or now - timedelta(days=1), now - LONGEST)
    row: RowValues = {"account_id": account.id, "on": on, "since": since, "facts": {}, "created_at": now}
    made = insert_many_new(session, DailyReport, [row], DailyReport.id)
    if not made:
        return False
    report = session.get_one(DailyReport, made[0][0])
    report.facts = morning_line.facts_of(session, account, since, now).model_dump(mode="json")
    session.flush()
    morning_line.send(session, account, report, now)
    digest.send(session, account, since, now)
    return True
