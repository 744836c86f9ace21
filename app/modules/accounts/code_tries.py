"""What all forms share that ask who somebody is, by password or code: the checks, and the limit of wrong tries."""

from datetime import UTC, datetime

from flask import Response, current_app, g
from flask import session as cookie
from wtforms import PasswordField

from app.business.accounts.models import User
from app.business.accounts.services import second_factor
from app.business.accounts.services.passwords import is_right
from app.business.accounts.services.second_factor import AcceptedBy
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.modules.accounts.forms import CodeForm
from app.modules.refusal_log import note_refusal
from app.modules.throttle import limiter

COUNTED_AS = "second-factor"
REFUSED = "This code is wrong or was used before. Wait for the next one, or use one of your recovery codes."


def box() -> SecretBox:
    return SecretBox.of(current_app.extensions["settings"])


def accepted(form: CodeForm, user: User) -> AcceptedBy | None:
    """Use up the code that was typed; where it is refused the form says so."""
    by = second_factor.accept(db.session(), user, form.code.data, _unseal, datetime.now(UTC))
    if by is None:
        note_refusal("wrong code", f"of user {user.id}")
        form.code.errors = [REFUSED]
    return by


def password_is_right(field: PasswordField | None, user: User) -> bool:
    """Whether the person's password was typed; a form without the field asks for none. The field says what is wrong."""
    if field is None or is_right(field.data, user.password_hash):
        return True
    field.errors = ["That is not your password."]
    return False


def code_tried() -> str:
    """Tries count by person: the one signed in, or whose password was right in this browser."""
    person = g.get("person")
    return f"{COUNTED_AS}-{person.user.id if person else cookie.get('waiting_for', 0)}"


def is_wrong(response: Response) -> bool:
    """Only wrong codes count."""
    return response.status_code == 422


limit_tries = limiter.limit(
    "10 per 15 minutes; 60 per day", key_func=code_tried, methods=["POST"], deduct_when=is_wrong
)
"""Also above a form with a password: both are guessed by whoever has a stolen browser."""


def forget_tries(counted_as: str) -> None:
    """After a right answer the wrong ones before it count no more."""
    for counted in limiter.current_limits:
        if any(part.startswith(counted_as) for part in counted.request_args):
            limiter.limiter.clear(counted.limit, *counted.request_args)


def _unseal(sealed: str) -> str:
    """The secret; empty where its key is lost, so that recovery codes still work."""
    try:
        return box().open(sealed)
    except Unreadable:
        return ""
