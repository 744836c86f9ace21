"""Links to sign in by mail, where the installation sends any."""

from datetime import datetime

from app.business.accounts.models import User
from app.business.outlets.services.mails import INVITATION, PASSWORD_LINK, MailItem, Recipient, write
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox
from app.modules.access import current_person
from app.settings import Settings

ONCE = "The button signs you in once, within seven days. Then you can set a password."


def mail_link(user: User, path: str, settings: Settings, now: datetime) -> None:
    """Write the mail with the link, which is stored encrypted, in the transaction that makes the link."""
    person = current_person()
    by, account = person.user.name or person.user.email, person.account.name
    if user.password_hash is None and user.signed_in_at is None:
        kind, title = INVITATION, f"{by} invites you to {account}"
        text = f"{by} has added you to the account “{account}” of IGNY8 Automation. {ONCE}"
    else:
        kind, title = PASSWORD_LINK, "Your link to sign in"
        text = f"{by} has made a link for you, who have forgotten your password or cannot sign in. {ONCE}"
    write(
        db.session(),
        user.account_id,
        Recipient(user.email, user.id),
        kind,
        MailItem(title, text, label="Sign in"),
        link_sealed=SecretBox.of(settings).seal(path),
        now=now,
    )
