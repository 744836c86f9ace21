"""The daily mail: what people have chosen to be told of once a day."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, User
from app.business.accounts.services.notice_choices import Way, choices_of
from app.business.accounts.services.notices import notices_since
from app.business.accounts.services.scope import scope_of
from app.business.automation.services.history.run_attention import notices_seen
from app.business.outlets.services import mails
from app.business.outlets.services.mails import MailItem, Recipient
from app.business.outlets.services.refusals import DIGEST

MOST = 50


def send(session: Session, account: Account, since: datetime, now: datetime) -> int:
    """One mail to each who has something to read; returns their number."""
    users = session.scalars(
        select(User).where(User.account_id == account.id, User.is_active).order_by(User.id)
    ).all()
    choices, sent = choices_of(session, users), 0
    for user in users:
        if Way.DIGEST not in choices[user.id].chosen.values():
            continue
        chosen = [
            notice
            for notice in notices_since(session, user, since, seen=notices_seen(scope_of(user)))
            if choices[user.id].way(notice.kind, notice.about_site_id) == Way.DIGEST
        ]
        for entry in _entries(chosen):
            mails.gather(session, account.id, Recipient(user.email, user.id), DIGEST, entry, now)
        sent += bool(chosen)
    return sent


def _entries(notices: list[Notice]) -> list[MailItem]:
    entries = [_entry(notice) for notice in notices[:MOST]]
    if (more := len(notices) - MOST) > 0:
        entries.append(
            MailItem(f"And {more:,} more", "They are in the console.", "/notices", "Open the notices")
        )
    return entries


def _entry(notice: Notice) -> MailItem:
    places = (("incident", notice.incident_id), ("run", notice.run_id), ("rule", notice.rule_id))
    path, label = next(
        ((f"/{name}s/{id}", f"Open the {name}") for name, id in places if id),
        ("/notices", "Open the notices"),
    )
    return MailItem(notice.title, notice.body, path, label, key=f"notice-{notice.id}")
