"""Daily publishing limit of a site: an article is counted before it is posted, never beyond the limit."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.planner.models import Site
from app.business.upsert import insert_missing
from app.business.writer.publication_models import PublishingDay


@dataclass(frozen=True)
class DayIsFull:
    """The site's daily limit is reached; its next day begins at `until`, in its `zone`."""

    message: str
    until: datetime
    zone: ZoneInfo


def site_zone(session: Session, site: Site) -> ZoneInfo:
    """The site's own time zone, else the account's."""
    return ZoneInfo(site.timezone or session.get_one(Account, site.account_id).timezone)


def reserve_place(session: Session, site: Site, limit: int, now: datetime) -> date | DayIsFull:
    """Count one more article for the site's current day; returns the day, or DayIsFull."""
    zone = site_zone(session, site)
    day = now.astimezone(zone).date()
    insert_missing(
        session,
        PublishingDay,
        {"account_id": site.account_id, "site_id": site.id, "local_day": day, "used": 0},
    )
    taken = session.scalar(
        update(PublishingDay)
        .where(*_of(site.account_id, site.id, day), PublishingDay.used < limit)
        .values(used=PublishingDay.used + 1)
        .returning(PublishingDay.used)
        .execution_options(synchronize_session=False)
    )
    if taken is not None:
        return day
    following = day + timedelta(days=1)
    most = "1 article is" if limit == 1 else f"{limit:,} articles are"
    message = f"at most {most} published on {site.name} in a day."
    return DayIsFull(message, datetime.combine(following, time(), zone).astimezone(UTC), zone)


def release_place(session: Session, account_id: int, site_id: int, day: date) -> None:
    """Undo a count whose article was not published."""
    session.execute(
        update(PublishingDay)
        .where(*_of(account_id, site_id, day), PublishingDay.used > 0)
        .values(used=PublishingDay.used - 1)
        .execution_options(synchronize_session=False)
    )


def _of(account_id: int, site_id: int, day: date) -> tuple[ColumnElement[bool], ...]:
    return (
        PublishingDay.account_id == account_id,
        PublishingDay.site_id == site_id,
        PublishingDay.local_day == day,
    )
