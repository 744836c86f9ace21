"""Signing in and out."""

from datetime import UTC, datetime

from flask import Response, flash, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address
from sqlalchemy import exists, select

from app.business.accounts.models import User
from app.business.accounts.services import sign_in, welcome
from app.business.accounts.services.passwords import is_right
from app.infrastructure.database import db, only_reading
from app.modules.access import allow
from app.modules.accounts.code_tries import forget_tries
from app.modules.accounts.forms import SignInForm
from app.modules.accounts.passkey_address import party_here
from app.modules.accounts.session_start import PASSKEY_GET, enter, name_of
from app.modules.refusal_log import note_refusal
from app.modules.throttle import limiter
from app.modules.web import let_page_use

NO_MATCH = "That address and password do not match."


def account_tried() -> str:
    """Count tries by account; a browser that this person has used counts apart, so nobody can lock them out."""
    name = name_of(request.form.get("email", ""))
    return f"account-{name}-{'known' if cookie.get('known') == name else 'unknown'}"


def is_known_browser() -> bool:
    """Whether the person has signed in with this browser before: its tries count apart."""
    return is_no_try() or cookie.get("known") == name_of(request.form.get("email", ""))


def is_refused(response: Response) -> bool:
    """Only wrong answers count against an address: a whole office may sign in from it."""
    return response.status_code == 422


def is_no_try() -> bool:
    """A form submitted after the sign-in expired is only passed on here: nobody has typed a password yet."""
    return request.method == "POST" and "email" not in request.form


@allow.anyone
@limiter.limit(
    "50 per 15 minutes",
    key_func=get_remote_address,
    methods=["POST"],
    deduct_when=is_refused,
    exempt_when=is_known_browser,
)
@limiter.limit("10 per 15 minutes", key_func=account_tried, methods=["POST"], exempt_when=is_no_try)
def show() -> ResponseReturnValue:
    """The sign-in page; every try counts until one is right."""
    form = SignInForm()
    if not is_no_try() and form.validate_on_submit():
        user = _right_user(form)
        if user:
            forget_tries("account-")
            return enter(user, datetime.now(UTC), form.kept.data)
        form.password.errors = [NO_MATCH]
    return page_with(form), 422 if form.errors else 200


def page_with(form: SignInForm, *, passkey_error: str = "") -> str:
    """The sign-in page; passkey_error: why the passkey that was tried does not sign in."""
    let_page_use(PASSKEY_GET)
    return render_template(
        "pages/accounts/sign_in.html",
        form=form,
        anybody=bool(db.session.scalar(select(exists(User.id)))),
        passkeys_work=party_here() is not None,
        passkey_error=passkey_error,
    )


@allow.anyone
def leave() -> ResponseReturnValue:
    """Sign this browser out, and clear what it has stored of our pages."""
    known = cookie.get("known")
    for name in ("token", "waiting"):
        if name in cookie:
            sign_in.end(db.session(), cookie[name])
    db.session.commit()
    cookie.clear()
    cookie.update({"known": known} if known else {})
    flash("You are signed out.", "success")
    answer = Response(status=303, headers={"Location": url_for("accounts.sign_in")})
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@allow.anyone
def show_link(token: str) -> ResponseReturnValue:
    """What a one-use link does, with a button that does it: mail scanners and chat previews fetch links as well."""
    user = welcome.find_user(db.session(), token, datetime.now(UTC))
    if user is None:
        return render_template("pages/accounts/link_used.html"), 410
    return render_template("pages/accounts/link.html", user=user, token=token)


@allow.anyone
def use_link(token: str) -> ResponseReturnValue:
    """Use the link: sign in, then offer to set a password. A second factor is asked for as after a password."""
    now = datetime.now(UTC)
    user = welcome.redeem(db.session(), token, now)
    if user is None:
        return render_template("pages/accounts/link_used.html"), 410
    return enter(user, now, by_link=True)


def _right_user(form: SignInForm) -> User | None:
    with only_reading():
        user = sign_in.find_user(db.session(), form.email.data)
        # The check is slow on purpose: no transaction stays open meanwhile.
        db.session.commit()
    if is_right(form.password.data, user.password_hash if user else None):
        return user
    note_refusal("wrong password", f"of user {user.id}" if user else "of nobody we know")
    return None
