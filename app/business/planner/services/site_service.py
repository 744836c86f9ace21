"""Sites and their sectors."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.scope import Scope
from app.business.base import RowValues, Values
from app.business.errors import Conflict, Invalid, NotFound
from app.business.folding import fold
from app.business.planner.models import Grouping, Sector, Site, SiteStatus, Tightness
from app.business.planner.services.plain_text import clean_body, clean_line
from app.business.planner.services.record_versions import differing, lock_version, write_changes
from app.business.time_zones import check_time_zone

NOBODY = AuditActor()
GENERAL = "General"
"""The sector of records that name none."""

LANGUAGE_LIMIT = 16
PROFILE_TEXTS = ("about", "audience", "tone", "call_to_action", "facts")
PROFILE_LIMIT = 5_000
WORDS_TO_AVOID_LIMIT = 200


def create_site(
    session: Session,
    account_id: int,
    fields: Values,
    *,
    actor: AuditActor = NOBODY,
    now: datetime,
) -> Site:
    """A new site. `fields`: name, any others of the site. Raises Invalid."""
    values = _site_values({"name": "", **fields})
    site = Site(account_id=account_id, created_at=now, updated_at=now, **values)
    session.add(site)
    session.flush()
    audit_log.record(session, account_id, actor, "site.made", site, {"name": site.name}, now)
    return site


def update_site(
    session: Session,
    site: Site,
    changes: Values,
    *,
    seen: int | None = None,
    actor: AuditActor = NOBODY,
    now: datetime,
) -> Site:
    """Change the given fields only. `seen`: the version they were made from. Raises Invalid, Stale."""
    lock_version(session, site, seen)
    if values := differing(site, _site_values(changes)):
        said = audit_log.differences({name: getattr(site, name) for name in values}, values)
        write_changes(session, site, values, now)
        audit_log.record(session, site.account_id, actor, "site.changed", site, said, now)
    return site


def create_sector(session: Session, site: Site, name: str, *, now: datetime) -> Sector:
    """A new topic area. Raises Invalid, or Conflict when the site has one of that name."""
    clean = clean_line(name, "name")
    if find_sector(session, site, clean):
        raise Conflict(f"{site.name} already has a sector “{clean}”.")
    sector = Sector(account_id=site.account_id, site_id=site.id, name=clean, created_at=now, updated_at=now)
    session.add(sector)
    session.flush()
    return sector


def rename_sector(
    session: Session, sector: Sector, name: str, *, seen: int | None = None, now: datetime
) -> Sector:
    """Raises Invalid, Stale, or Conflict when another sector of the site has that name."""
    lock_version(session, sector, seen)
    clean = clean_line(name, "name")
    other = find_sector(session, sector.site, clean)
    if other and other.id != sector.id:
        raise Conflict(f"{sector.site.name} already has a sector “{clean}”.")
    if values := differing(sector, {"name": clean}):
        write_changes(session, sector, values, now)
    return sector


def find_sector(session: Session, site: Site, name: str) -> Sector | None:
    """The site's sector of that name, exactly so or else in another letter case."""
    named = select(Sector).where(Sector.site_id == site.id, Sector.name_folded == fold(name))
    return session.scalar(named.order_by((Sector.name == name).desc(), Sector.id).limit(1))


def sector_named(session: Session, site: Site, name: str | None, *, now: datetime) -> Sector:
    """The site's sector of that name, made if missing; without a name "General"."""
    clean = clean_line(name or GENERAL, "sector")
    return find_sector(session, site, clean) or create_sector(session, site, clean, now=now)


def place_of(session: Session, scope: Scope, site_id: int, sector_id: int | None, *, now: datetime) -> Sector:
    """The sector a record goes to: the given one, else the site's "General".

    Raises NotFound for a site out of scope, Invalid({"sector": …}) for a sector of another site.
    """
    site = session.scalar(select(Site).where(scope.sees(Site), Site.id == site_id))
    if site is None:
        raise NotFound(f"Site {site_id} was not found.")
    if sector_id is None:
        return sector_named(session, site, None, now=now)
    sector = session.scalar(select(Sector).where(Sector.site_id == site.id, Sector.id == sector_id))
    if sector is None:
        raise Invalid({"sector": [f"Sector {sector_id} was not found on {site.name}."]})
    return sector


def _site_values(fields: Values) -> RowValues:
    cleaners: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: clean_line(value or "", "name"),
        "url": lambda value: _web_address(value or ""),
        "timezone": _timezone,
        "language": lambda value: clean_line(value or "", "language", limit=LANGUAGE_LIMIT),
        "status": _choice("status", SiteStatus),
        "grouping": _choice("grouping", Grouping),
        "tightness": _choice("tightness", Tightness),
        "monthly_budget": _budget,
        "words_to_avoid": _words_to_avoid,
        **{name: _profile_text(name) for name in PROFILE_TEXTS},
    }
    for name in fields:
        if name not in cleaners:
            raise Invalid({name: ["This field cannot be changed."]})
    return {name: cleaners[name](value) for name, value in fields.items()}


def _web_address(value: str) -> str:
    url = clean_line(value, "url", limit=2000, required=False)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Invalid({"url": ["This is not a web address. Write it like https://example.com."]}) from None
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise Invalid({"url": ["Write the whole address, like https://example.com."]})
    return url


def _timezone(value: str | None) -> str | None:
    return check_time_zone(value).key if value else None


def _choice(name: str, values: type[StrEnum]) -> Callable[[Any], str]:
    def choose(value: str) -> str:
        if value not in list(values):
            raise Invalid({name: [f"Choose one of: {', '.join(values)}."]})
        return value

    return choose


def _profile_text(name: str) -> Callable[[Any], str]:
    return lambda value: clean_body(value or "", name, limit=PROFILE_LIMIT)


def _words_to_avoid(value: list[str] | None) -> list[str]:
    words = list(dict.fromkeys(clean_line(word, "words_to_avoid") for word in value or []))
    if len(words) > WORDS_TO_AVOID_LIMIT:
        raise Invalid({"words_to_avoid": [f"At most {WORDS_TO_AVOID_LIMIT} words are allowed."]})
    return words


def _budget(value: int | None) -> int | None:
    if value is not None and value < 0:
        raise Invalid({"monthly_budget": ["A budget cannot be below zero. Leave it empty for no limit."]})
    return value
