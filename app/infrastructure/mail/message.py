"""Builds the message of a mail: text and HTML from one template, and headers for mail programs."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.business.accounts.services.notice_choices import KINDS, NoticeKind
from app.business.outlets.services.mails import ClaimedMail
from app.business.outlets.services.refusals import GATHERED, KIND_WORDS
from app.infrastructure.mail.unsubscribing import Subscription, token_for
from app.infrastructure.secret_box import SecretBox
from app.settings import Settings

TEMPLATES = Path(__file__).parents[3] / "templates/mail"
TEMPLATE = "message.jinja"
CHOICES = "/profile/notices"
"""The page on which people choose how they are told. Rules also tell addresses that cannot open it."""
UNFOLDED = SMTP.clone(max_line_length=998)
"""A long address in a header would be encoded to fold it, and mail programs would not find it."""


def message_of(mail: ClaimedMail, settings: Settings) -> EmailMessage:
    """Raises Unreadable if the stored link cannot be decrypted."""
    message = EmailMessage(policy=UNFOLDED)
    message["From"] = settings.mail_from
    message["To"] = mail.address
    message["Subject"] = _subject(mail)
    message["Date"] = format_datetime(mail.created_at)
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{mail.message_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    values = _values(mail, settings)
    if unsubscribe := values["unsubscribe"]:
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_render(as_html=False, **values))
    message.add_alternative(_render(as_html=True, **values), subtype="html")
    return message


def _subject(mail: ClaimedMail) -> str:
    if len(mail.entries) == 1:
        return mail.subject
    return f"{len(mail.entries)} messages: {mail.subject}"


def _values(mail: ClaimedMail, settings: Settings) -> dict[str, Any]:
    link = SecretBox.of(settings).open(mail.link_sealed)
    subscription = Subscription(mail.account_id, mail.address, mail.kind, _only_site(mail))
    unsubscribe = f"{settings.site_url}/unsubscribe/{token_for(settings, subscription)}"
    return {
        "account": mail.account_name,
        "entries": mail.entries,
        "link": f"{settings.site_url}{link}" if link else "",
        "site": settings.site_url,
        "unsubscribe": unsubscribe if mail.kind in GATHERED else "",
        "reason": _reason(mail),
        "choices": f"{settings.site_url}{CHOICES}"
        if mail.kind in GATHERED and mail.kind != NoticeKind.RULE
        else "",
        "kind_words": KIND_WORDS.get(mail.kind, ""),
    }


def _only_site(mail: ClaimedMail) -> int | None:
    """The site that all of it is about, where people choose by site."""
    sites = {entry.site_id for entry in mail.entries}
    return sites.pop() if mail.kind in KINDS and len(sites) == 1 else None


def _reason(mail: ClaimedMail) -> str:
    if mail.kind == NoticeKind.RULE:
        return f"A rule of {mail.account_name} is set to tell you."
    return f"You get {KIND_WORDS.get(mail.kind, '')} of {mail.account_name}."


def _render(*, as_html: bool, **values: Any) -> str:
    return str(_template(as_html).render(as_html=as_html, **values))


@cache
def _template(as_html: bool) -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=as_html, default_for_string=as_html),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    return environment.get_template(TEMPLATE)
