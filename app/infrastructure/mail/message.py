"""A mail as it is sent: text and HTML from one template, and the headers that its receiver's program reads."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.business.outlets.services.mails import GATHERED, KIND_WORDS, Letter
from app.infrastructure.mail.unsubscribing import Subscription, token_for
from app.infrastructure.secret_box import SecretBox
from app.settings import Settings

TEMPLATES = Path(__file__).parents[3] / "templates/mail"
TEMPLATE = "message.jinja"
UNFOLDED = SMTP.clone(max_line_length=998)
"""A long address in a header would be encoded to fold it, and mail programs would not find it."""


def message_of(letter: Letter, settings: Settings) -> EmailMessage:
    """Raises Unreadable where the stored link cannot be opened any more."""
    message = EmailMessage(policy=UNFOLDED)
    message["From"] = settings.mail_from
    message["To"] = letter.address
    message["Subject"] = _subject(letter)
    message["Date"] = format_datetime(letter.created_at)
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{letter.message_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    values = _values(letter, settings)
    if unsubscribe := values["unsubscribe"]:
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_render(as_html=False, **values))
    message.add_alternative(_render(as_html=True, **values), subtype="html")
    return message


def _subject(letter: Letter) -> str:
    if len(letter.entries) == 1:
        return letter.subject
    return f"{len(letter.entries)} messages: {letter.subject}"


def _values(letter: Letter, settings: Settings) -> dict[str, Any]:
    link = SecretBox.of(settings).open(letter.link_sealed)
    subscription = Subscription(letter.account_id, letter.address, letter.kind)
    unsubscribe = f"{settings.site_url}/unsubscribe/{token_for(settings, subscription)}"
    return {
        "account": letter.account_name,
        "entries": letter.entries,
        "link": f"{settings.site_url}{link}" if link else "",
        "site": settings.site_url,
        "unsubscribe": unsubscribe if letter.kind in GATHERED else "",
        "kind_words": KIND_WORDS.get(letter.kind, ""),
    }


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
