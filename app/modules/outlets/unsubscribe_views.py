"""Unsubscribing from a kind of mail by its link, without signing in: from all of it, or from what is about one site."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.business.accounts.models import Account, User
from app.business.accounts.services.notice_choices import NoticeKind, Way, choose
from app.business.errors import NotFound
from app.business.outlets.services import mails, refusals
from app.business.outlets.services.refusals import KIND_WORDS
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.infrastructure.mail.unsubscribing import Subscription, subscription_of
from app.modules.access import allow
from app.modules.outlets.connection import settings


@dataclass(frozen=True)
class SiteChoice:
    """The person who may choose for this one site, because the mail was about nothing else."""

    user: User
    site: Site


@allow.anyone
def ask(token: str) -> str:
    """A page with buttons, because link scanners that GET the page must not unsubscribe anybody."""
    found = _found(token)
    return _page(token, found, _site_choice(found), done="")


@allow.bearer_of_address
def unsubscribe(token: str) -> ResponseReturnValue:
    """By a button, or by one-click unsubscribing of a mail program, which is from the whole kind."""
    found = _found(token)
    by_site, again = _site_choice(found), bool(request.form.get("again"))
    if by_site and request.form.get("only_site"):
        _choose_for_site(found, by_site, again)
        page = _page(token, found, by_site, done="site_again" if again else "site_off")
    elif again:
        refusals.accept_again(db.session(), found.account_id, found.address, found.kind)
        page = _page(token, found, by_site, done="again")
    else:
        refusals.refuse(db.session(), found.account_id, found.address, found.kind, datetime.now(UTC))
        page = _page(token, found, by_site, done="off")
    db.session.commit()
    return page


def _choose_for_site(found: Subscription, by_site: SiteChoice, again: bool) -> None:
    """The same choice as on the page How you are told; what waits to be sent about the site is not sent."""
    session, now = db.session(), datetime.now(UTC)
    way = Way.MAIL if again else Way.CONSOLE
    refusals.keep_as_choices(session, by_site.user)
    choose(session, by_site.user, {NoticeKind(found.kind): way}, by_site.site.id)
    by_site.user.updated_at = now
    if not again:
        mails.withdraw(session, found.account_id, found.address, found.kind, by_site.site.id, now)


def _found(token: str) -> Subscription:
    found = subscription_of(settings(), token)
    known = select(Account.id).where(Account.id == found.account_id) if found else None
    if found is None or known is None or db.session.scalar(known) is None:
        raise NotFound("This address is damaged. Copy it from the mail as a whole.")
    return found


def _site_choice(found: Subscription) -> SiteChoice | None:
    """None where the mail was about several sites or none, and for addresses of nobody of the account."""
    if found.site_id is None or found.kind not in set(NoticeKind):
        return None
    session = db.session()
    site = session.scalar(select(Site).where(Site.account_id == found.account_id, Site.id == found.site_id))
    user = session.scalar(
        select(User).where(
            User.account_id == found.account_id,
            User.email == found.address.lower(),
            User.is_active,
        )
    )
    return SiteChoice(user, site) if user and site else None


def _page(token: str, found: Subscription, by_site: SiteChoice | None, done: str) -> str:
    return render_template(
        "pages/outlets/unsubscribe.html",
        token=token,
        address=found.address,
        kind_words=KIND_WORDS[found.kind],
        site=by_site.site if by_site else None,
        done=done,
    )
