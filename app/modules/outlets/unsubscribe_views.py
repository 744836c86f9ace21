"""Unsubscribing from a kind of mail by its link, without signing in."""

from datetime import UTC, datetime

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.business.accounts.models import Account
from app.business.errors import NotFound
from app.business.outlets.services import mails
from app.business.outlets.services.mails import KIND_WORDS
from app.infrastructure.database import db
from app.infrastructure.mail.unsubscribing import Subscription, subscription_of
from app.modules.access import allow
from app.modules.outlets.connection import settings


@allow.anyone
def ask(token: str) -> str:
    """A page with a button, because link scanners that GET the page must not unsubscribe anybody."""
    return _page(token, _found(token), done="")


@allow.bearer_of_address
def unsubscribe(token: str) -> ResponseReturnValue:
    """By the button, or by one-click unsubscribing of a mail program."""
    found = _found(token)
    if request.form.get("again"):
        mails.accept_again(db.session(), found.account_id, found.address, found.kind)
    else:
        mails.refuse(db.session(), found.account_id, found.address, found.kind, datetime.now(UTC))
    page = _page(token, found, done="again" if request.form.get("again") else "off")
    db.session.commit()
    return page


def _found(token: str) -> Subscription:
    found = subscription_of(settings(), token)
    known = select(Account.id).where(Account.id == found.account_id) if found else None
    if found is None or known is None or db.session.scalar(known) is None:
        raise NotFound("This address is damaged. Copy it from the mail as a whole.")
    return found


def _page(token: str, found: Subscription, done: str) -> str:
    return render_template(
        "pages/outlets/unsubscribe.html",
        token=token,
        address=found.address,
        kind_words=KIND_WORDS[found.kind],
        done=done,
    )
