"""Signing in and out."""

import hashlib
from datetime import UTC, datetime

from flask import Response, flash, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address

from app.business.accounts.models import User
from app.business.accounts.services import audit_log, sign_in, welcome
from app.business.accounts.services.passwords import is_right
from app.infrastructure.database import db, only_reading
from app.modules import carry_over
from app.modules.access import allow, own_path, start_page
from app.modules.accounts.forms import SignInForm
from app.modules.refusal_log import note_refusal
from app.modules.throttle import limiter
from app.modules.web import see_other

NO_MATCH = (
    "That address and password do not match. Try again, or ask an owner of your account for a new link."
)


def account_tried() -> str:
    """Count tries by account; a browser that this person has used counts apart, so nobody can lock them out."""
    name = _name_of(request.form.get("email", ""))
    return f"account-{name}-{'known' if cookie.get('known') == name else 'unknown'}"


def is_known_browser() -> bool:
    """Whether the person has signed in with this browser before: its tries count apart."""
    return is_no_try() or cookie.get("known") == _name_of(request.form.get("email", ""))


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
            _forget_tries()
            begin_session(user, datetime.now(UTC))
            return _go_on(form.kept.data, user)
        form.password.errors = [NO_MATCH]
    return render_template("pages/accounts/sign_in.html", form=form), 422 if form.errors else 200


@allow.anyone
def leave() -> ResponseReturnValue:
    """Sign this browser out, and clear what it has stored of our pages."""
    token, known = cookie.get("token"), cookie.get("known")
    if token:
        sign_in.end(db.session(), token)
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
    """Use the link: sign in, then offer to set a password."""
    now = datetime.now(UTC)
    user = welcome.redeem(db.session(), token, now)
    if user is None:
        return render_template("pages/accounts/link_used.html"), 410
    begin_session(user, now)
    cookie["by_link_at"] = now.timestamp()
    return see_other(url_for("accounts.password"))


def begin_session(user: User, now: datetime) -> None:
    """Begin a session in this browser with a new token, and commit; its former session ends."""
    session, old = db.session(), cookie.get("token")
    if old:
        sign_in.end(session, old)
    # Open pages of the same person keep working.
    is_back = cookie.get("known") == _name_of(user.email)
    kept = {name: cookie[name] for name in ("csrf_token",) if is_back and name in cookie}
    cookie.clear()
    cookie.update(kept)
    agent, address = request.user_agent.string, request.remote_addr or ""
    cookie["token"] = sign_in.begin(session, user, now, agent, address)
    cookie["known"] = _name_of(user.email)
    cookie.permanent = True
    audit_log.record(
        session,
        user.account_id,
        audit_log.AuditActor(user.id),
        "user.signed_in",
        user,
        {"address": request.remote_addr},
        now,
    )
    session.commit()


def _go_on(kept: str | None, user: User) -> ResponseReturnValue:
    """Go to the page that was asked for, else to the person's own start; with a kept form, to submitting it again."""
    carried = carry_over.unpack(kept)
    if carried is None:
        wanted = own_path(request.args.get("next"))
        return see_other(start_page(user) if wanted == "/" else wanted)
    page = render_template("pages/accounts/send_again.html", carried=carried)
    return page, 200, {"Cache-Control": "no-store"}


def _right_user(form: SignInForm) -> User | None:
    with only_reading():
        user = sign_in.find_user(db.session(), form.email.data)
        # The check is slow on purpose: no transaction stays open meanwhile.
        db.session.commit()
    if is_right(form.password.data, user.password_hash if user else None):
        return user
    note_refusal("wrong password", f"of user {user.id}" if user else "of nobody we know")
    return None


def _forget_tries() -> None:
    for counted in limiter.current_limits:
        if any(part.startswith("account-") for part in counted.request_args):
            limiter.limiter.clear(counted.limit, *counted.request_args)


def _name_of(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:16]
