"""Northlight Content: the people and the three sites of the demo account, and how the account is closed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role, User
from app.business.accounts.services import audit_log, sign_in, team
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.runs import commands
from app.business.automation.services.triggering.calendar_service import save_calendar
from app.business.billing.services.new_accounts import open_account
from app.business.events import Origin
from app.business.planner.models import Site
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.business.planner.services.site_service import create_site
from app.demo.groups import KEYWORDS

OWNER_EMAIL = "demo@example.com"
SITES: dict[str, dict[str, Any]] = {
    "ridgeline": {
        "name": "Ridgeline Outfitters",
        "url": "https://ridgeline-outfitters.example",
        "timezone": "America/Denver",
        "language": "en",
    },
    "kaffeewerk": {
        "name": "Kaffeewerk",
        "url": "https://kaffeewerk.example",
        "timezone": "Europe/Berlin",
        "language": "de",
        "monthly_budget": 28,
    },
    "clear-ledger": {
        "name": "Clear Ledger",
        "url": "https://clear-ledger.example",
        "timezone": "Europe/London",
        "language": "en-GB",
    },
}

CALENDAR: dict[str, Any] = {
    "working_hours": [{"weekday": day} for day in range(1, 7)],
    "pauses": [
        {"name": "Betriebsferien", "starts_on": "2026-12-24", "ends_on": "2027-01-02", "yearly": True}
    ],
    "country": "DE",
    "region": "BE",
}


@dataclass(frozen=True)
class Agency:
    """The account and the people who work in it."""

    account: Account
    owner: User
    editor: User
    operator: User

    def by(self, person: User) -> Origin:
        """The origin of a change that `person` makes in a browser."""
        return Origin(self.account.id, user_id=person.id)


def is_there(session: Session) -> bool:
    """Whether a demo account is open, or somebody else uses its address."""
    query = (
        select(User.id)
        .join(Account, Account.id == User.account_id)
        .where(or_(User.email == OWNER_EMAIL, Account.is_demo & (Account.status == AccountStatus.ACTIVE)))
    )
    return session.scalar(query.limit(1)) is not None


def open_agency(session: Session, now: datetime) -> Agency:
    """Create the account with its owner, an editor and an operator; nobody has a password."""
    account, owner = open_account(
        session,
        name="Northlight Content",
        email=OWNER_EMAIL,
        password=None,
        plan="starter",
        timezone="Europe/London",
        is_demo=True,
        now=now,
    )
    owner.name, account.daily_ceiling = "Mira Lindqvist", 200
    audit_log.record(session, account.id, audit_log.AuditActor(), "account.made", account, None, now)
    people = [
        team.add_user(session, account, email=email, name=name, role=role, now=now)
        for email, name, role in (
            ("editor.demo@example.com", "Tom Adeyemi", Role.EDITOR),
            ("writer.demo@example.com", "Ana Ruiz", Role.OPERATOR),
        )
    ]
    return Agency(account, owner, *people)


def add_site(session: Session, agency: Agency, key: str, now: datetime) -> Site:
    """Create one of SITES and import the keywords of its file."""
    site = create_site(session, agency.account.id, SITES[key], now=now)
    table = read_keyword_table(KEYWORDS.joinpath(f"{key}.csv").read_bytes())
    import_keywords(session, table, site=site, origin=agency.by(agency.operator), now=now)
    return site


def give_calendar(session: Session, agency: Agency, now: datetime) -> None:
    """The roastery in Berlin is closed on Sundays, on public holidays and over the turn of the year."""
    roastery = select(Site).where(
        Site.account_id == agency.account.id, Site.name == SITES["kaffeewerk"]["name"]
    )
    if site := session.scalar(roastery):
        actor = audit_log.AuditActor(agency.owner.id)
        save_calendar(session, agency.account, site, CALENDAR, actor=actor, now=now)


def close_agency(session: Session, now: datetime) -> None:
    """Close the open demo account, if any: its history stays, its rules end, its addresses are free again."""
    query = select(Account).where(Account.is_demo, Account.status == AccountStatus.ACTIVE)
    for account in session.scalars(query).all():
        _end_automation(session, account.id, now)
        for person in team.people_of(session, account.id):
            sign_in.end_all(session, person)
            person.email, person.is_active = f"{person.id}@closed.invalid", False
            person.updated_at = now
        account.status, account.updated_at = AccountStatus.CLOSED, now
        audit_log.record(session, account.id, audit_log.AuditActor(), "account.closed", account, None, now)


def _end_automation(session: Session, account_id: int, now: datetime) -> None:
    rules = select(AutomationRule).where(AutomationRule.account_id == account_id)
    for rule in session.scalars(rules).all():
        AutomationService().archive(session, rule, Actor(None), now)
    open_runs = select(ScheduledTask).where(
        ScheduledTask.account_id == account_id, ScheduledTask.status.in_([Status.PENDING, Status.RUNNING])
    )
    for run in session.scalars(open_runs).all():
        commands.cancel(session, run, now)
