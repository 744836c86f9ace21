"""Watches what leaves: messages and mails that nobody sends, and connections that have refused for long."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import mark_settled, notice_of
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.mail_models import Mail
from app.business.outlets.outgoing_models import Outgoing, OutgoingStatus
from app.business.outlets.services import incidents
from app.business.outlets.services.notifying import Message, notify
from app.business.outlets.webhook_models import WebhookDelivery

KEY = "outlets-stuck"
GRACE = timedelta(minutes=10)
"""Messages that are due are sent within seconds; held back behind others, within this time."""
FAILING_FOR = timedelta(hours=1)
WAITING: Mapping[type[Outgoing], tuple[str, str]] = {
    Mail: ("mail", "mails"),
    WebhookDelivery: ("message to a webhook", "messages to webhooks"),
}
WHAT_TO_DO = (
    "Nothing is lost: what is due leaves once it can. If this stays, open System health and tell your administrator "
    "what is red there."
)


def watch_outlets(session: Session, now: datetime) -> int:
    """Raise, renew and withdraw the notices; returns the number of accounts with something stuck."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for model, (one, many) in WAITING.items():
        for account_id, count, since in session.execute(_stuck(model, now)):
            zone = _zone(session, account_id)
            what = f"1 {one} has" if count == 1 else f"{count:,} {many} have"
            found[account_id][one] = f"{what} not left since {_at(since, zone)}."
    for incident in session.scalars(_refusing(now)):
        zone = _zone(session, incident.account_id)
        title = incidents.title(incident)
        found[incident.account_id][title] = f"{title} since {_at(incident.first_at, zone)}."
    for account_id, lines in found.items():
        _notify(session, account_id, lines, now)
    mark_settled(session, KEY, now, still=found)
    return len(found)


def _stuck(model: type[Outgoing], now: datetime) -> Select[int, int, datetime]:
    """Due for longer than it takes to send them, or tried again and again for an hour."""
    is_due = model.next_at < now - GRACE
    is_failing = (model.tries > 1) & (model.created_at < now - FAILING_FOR)
    return (
        select(model.account_id, func.count(), func.min(model.created_at))
        .where(model.status == OutgoingStatus.PENDING, or_(is_due, is_failing))
        .group_by(model.account_id)
        .order_by(model.account_id)
    )


def _refusing(now: datetime) -> Select[Incident]:
    return (
        select(Incident)
        .where(
            Incident.status == IncidentStatus.OPEN,
            Incident.place.startswith("wordpress-"),
            Incident.first_at < now - FAILING_FOR,
            Incident.muted_at.is_(None),
        )
        .order_by(Incident.id)
    )


def _notify(session: Session, account_id: int, lines: dict[str, str], now: datetime) -> None:
    """Once for each thing that is stuck: people who have read it are told again only of new ones."""
    known = notice_of(session, account_id, KEY)
    if known and all(subject in known.body for subject in lines):
        return
    message = Message(
        kind=NoticeKind.LATE,
        level="danger",
        title="What should leave is stuck" if len(lines) > 1 else next(iter(lines.values()))[:254],
        body=f"{' '.join(lines.values())} {WHAT_TO_DO}",
        key=KEY,
        role=Role.OPERATOR,
    )
    notify(session, account_id, message, now)


def _zone(session: Session, account_id: int) -> str:
    return session.get_one(Account, account_id).timezone


def _at(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M} ({zone})"
