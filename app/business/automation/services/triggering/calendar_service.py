"""Saves and removes the calendar of a site or of the account, and settles anew what is planned and has not begun."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.automation.calendar_models import SiteCalendar
from app.business.automation.services.calendars.working_calendar import (
    WorkingCalendar,
    parse_calendar,
    stored_calendar,
)
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.triggering.resettling import resettle
from app.business.errors import Stale
from app.business.planner.models import Site
from app.business.planner.services.record_versions import STALE, lock_version, write_changes

NEVER_SAVED = 0
"""The version of a calendar that nobody has saved yet."""


def find_calendar(session: Session, account_id: int, site: Site | None) -> SiteCalendar | None:
    """The row of the site's own calendar, or of the account's; None where nobody has saved one yet."""
    place = SiteCalendar.site_id.is_(None) if site is None else SiteCalendar.site_id == site.id
    return session.scalar(select(SiteCalendar).where(SiteCalendar.account_id == account_id, place))


def calendar_of(row: SiteCalendar | None) -> WorkingCalendar | None:
    """What it says; None without one, or after it was removed."""
    return stored_calendar(row.definition) if row and row.definition is not None else None


def version_of(row: SiteCalendar | None) -> int:
    """The version that a change is made from."""
    return row.version if row else NEVER_SAVED


def save_calendar(
    session: Session,
    account: Account,
    site: Site | None,
    data: Stored | None,
    *,
    seen: int | None = None,
    actor: AuditActor,
    now: datetime,
) -> SiteCalendar | None:
    """Save the calendar of the site, or of the account; None removes it. Planned runs that have not begun follow it at
    once. `seen`: the version that the change is made from. Raises Invalid, Stale."""
    zone = (site.timezone if site else None) or account.timezone
    definition = (
        None if data is None else parse_calendar(data, now.astimezone(ZoneInfo(zone)).date()).as_json()
    )
    row = find_calendar(session, account.id, site)
    if row is not None:
        row = lock_version(session, row, seen)
    elif seen not in (None, NEVER_SAVED):
        raise Stale(STALE)
    before = row.definition if row else None
    if before == definition:
        return row
    if row is None:
        row = _first(session, account.id, site, definition, now)
    else:
        write_changes(session, row, {"definition": definition}, now)
    said = _differences(before or {}, definition or {}) | ({"site_id": site.id} if site else {})
    action = "calendar.removed" if definition is None else "calendar.changed"
    audit_log.record(session, account.id, actor, action, row, said, now)
    resettle(session, account.id, site.id if site else None, now)
    return row


def _first(
    session: Session, account_id: int, site: Site | None, definition: Stored | None, now: datetime
) -> SiteCalendar:
    row = SiteCalendar(
        account_id=account_id,
        site_id=site.id if site else None,
        definition=dict(definition) if definition is not None else None,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise Stale(STALE) from None
    return row


def _differences(before: Stored, after: Stored) -> JsonObject:
    changed = {
        name: after.get(name) for name in WorkingCalendar.model_fields if before.get(name) != after.get(name)
    }
    said = audit_log.differences(before, changed)
    # The code of a region says nothing without its country.
    return (
        said if "region" not in changed or "country" in changed else said | {"country": after.get("country")}
    )
