"""A form submitted after the sign-in had expired: kept through the sign-in page, then submitted again by hand.

It is kept only in the page itself: signed, so that only a form of ours comes back, and bound to the person whom this
browser knew, so that nobody else who signs in gets to see it.
"""

from dataclasses import dataclass
from typing import Any

from flask import current_app, request
from flask import session as cookie
from flask_wtf.csrf import CSRFError
from itsdangerous import BadData, URLSafeTimedSerializer

from app.modules.web import csrf

SECRET_FIELDS = ("password", "token", "secret")
OWN_FIELDS = ("version", "read", "request_key", "seen")
"""Of our forms, but typed by nobody."""
GOOD_FOR = 3600
"""Seconds between the refused form and the sign-in."""

Typed = list[tuple[str, str]]


@dataclass(frozen=True)
class KeptForm:
    """A form to be submitted again: its address on this console, and its values, without its token."""

    address: str
    typed: Typed


def typed_now() -> Typed:
    """The values of the present request's form, without secrets."""
    return [(name, text) for name, text in request.form.items(multi=True) if not _is_secret(name)]


def pack() -> str | None:
    """The present form as signed text. None when it must not be sent again: it is not from a page of this browser,
    or it holds a file or a password.
    """
    known, secret = cookie.get("known"), any(map(_is_secret, {*request.form} - {"csrf_token"}))
    if not known or secret or request.files or not _is_from_our_page():
        return None
    content = {"who": known, "address": request.full_path.rstrip("?"), "typed": typed_now()}
    return str(_signer().dumps(content))


def unpack(text: str | None) -> KeptForm | None:
    """The form again; None when it is not ours, too old, or somebody else has signed in."""
    try:
        content: Any = _signer().loads(text or "", max_age=GOOD_FOR)
    except BadData:
        return None
    if content["who"] != cookie.get("known"):
        return None
    return KeptForm(content["address"], [(name, value) for name, value in content["typed"]])


def _is_from_our_page() -> bool:
    # The cookie outlives the sign-in, and with it the token that our page was given.
    try:
        csrf.protect()
    except CSRFError:
        return False
    return True


def _is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_FIELDS)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="carry-over")
