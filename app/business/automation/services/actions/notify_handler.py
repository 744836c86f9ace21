"""Sends the notice of a rule: in the console, and by mail where the rule says so."""

from collections.abc import Sequence

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Role, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choices_of
from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import scope_of
from app.business.automation.services.actions.handler import Handlers, LocalWork
from app.business.automation.services.actions.templates import fill
from app.business.automation.services.catalogue.actions.notify import (
    NOTIFY,
    Notify,
    Recipient,
    recipients_of,
)
from app.business.automation.services.catalogue.actions.parameters import ROLES
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import Done, Unit
from app.business.outlets.services import mails
from app.business.outlets.services.mails import MailItem

NAMED_BY_DEFAULT = Role.EDITOR.value
"""Where nobody is named, people of this role and above are told."""


class NotifyWork(LocalWork):
    """One notice for the whole run; its text may contain figures of the account."""

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done:
        """When the unit is repeated, its notices are renewed, and its mails say it once."""
        params: Notify = unit.step.params
        about = (
            f" ({plural(context.run.record_count, context.run.record_type)})"
            if context.run.record_type
            else ""
        )
        entry = MailItem(
            title=f"{context.run.rule_name}{about}",
            text=fill(
                session, context, params.message, context.run.record_type, context.detail.records or []
            ),
            path=f"/runs/{context.run.id}",
            label="Open the run",
            key=unit.key,
            site_id=context.run.site_id,
        )
        self._add_notices(session, context, recipients_of(params.to) or [NAMED_BY_DEFAULT], entry)
        if not params.email:
            return Done(message="Notice sent")
        site_id = context.run.site_id
        mailed = [
            mails.gather(session, context.account.id, recipient, NoticeKind.RULE, entry, context.now)
            for recipient in mailed_to(session, context.account.id, params, site_id)
        ]
        return Done(message=f"Notice sent, with mail to {plural_addresses(sum(mailed))}")

    def _add_notices(
        self, session: Session, context: RunContext, named: list[Recipient], entry: MailItem
    ) -> None:
        roles = [Role(one) for one in named if one in ROLES]
        people = session.scalars(_people(context.account.id, [one for one in named if one not in ROLES]))
        lowest = min(roles, key=list(Role).index) if roles else None
        places: list[tuple[str, int | None, Role | None]] = []
        if lowest:
            places.append((entry.key, None, lowest))
        places += [
            (f"{entry.key}-{user.id}", user.id, None)
            for user in people
            if not (lowest and Role(user.role).allows(lowest))
        ]
        for key, user_id, role in places:
            add_notice(
                session,
                account_id=context.account.id,
                level="info",
                title=entry.title,
                body=entry.text,
                user_id=user_id,
                role=role,
                key=key,
                kind=NoticeKind.RULE,
                about_site_id=context.run.site_id,
                rule_id=context.rule.id,
                run_id=context.run.id,
                now=context.now,
            )


def mailed_to(
    session: Session, account_id: int, params: Notify, site_id: int | None
) -> list[mails.Recipient]:
    """Everybody who gets the mail, once: people who see this site and want messages of rules about it at once, and
    addresses that are nobody's of the account.

    The rule decides only for people who have chosen nothing. The page on which somebody chose “Only here in the
    console” promises no mail, and whoever writes a rule does not overrule how another person wants to be told.
    """
    named = recipients_of(params.to) or [NAMED_BY_DEFAULT]
    people = session.scalars(_people(account_id, named)).all()
    choices = choices_of(session, people)
    found = {
        user.email: mails.Recipient(user.email, user.id)
        for user in people
        if scope_of(user).holds(site_id) and choices[user.id].way(NoticeKind.RULE, site_id) == Way.MAIL
    }
    # An address of somebody who was switched off is no address of a stranger.
    known = set(session.scalars(select(User.email).where(User.account_id == account_id)))
    for address in _addresses(named):
        if address not in known:
            found.setdefault(address, mails.Recipient(address))
    return list(found.values())


def _people(account_id: int, named: Sequence[Recipient]) -> Select[User]:
    """Active people of the account of these roles (or above), ids and addresses."""
    ids = [one for one in named if isinstance(one, int)]
    roles = [role for one in named if one in ROLES for role in Role if role.allows(Role(one))]
    which = or_(User.id.in_(ids), User.role.in_(roles), User.email.in_(_addresses(named)))
    return select(User).where(User.account_id == account_id, User.is_active, which).order_by(User.id)


def _addresses(named: Sequence[Recipient]) -> list[str]:
    """E-mail addresses, as those of people are stored."""
    return [one.lower() for one in named if isinstance(one, str) and one not in ROLES]


def plural_addresses(count: int) -> str:
    """`1 address`, `3 addresses`."""
    return f"{count:,} {'address' if count == 1 else 'addresses'}"


HANDLERS: Handlers = {NOTIFY.key: lambda _model: NotifyWork()}
