"""Beginning a session in this browser: at once, or after the second factor."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from flask import render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.models import User
from app.business.accounts.passkey_models import Passkey
from app.business.accounts.services import audit_log, passkeys, second_factor, sign_in
from app.business.accounts.services.second_factor import AcceptedBy
from app.infrastructure.database import db
from app.modules import carry_over
from app.modules.access import own_path, start_page
from app.modules.accounts.forms import CodeForm
from app.modules.accounts.passkey_address import party_here
from app.modules.web import PASSKEY_FEATURES, let_page_use, see_other

PASSKEY_CREATE, PASSKEY_GET = PASSKEY_FEATURES


def enter(
    user: User, now: datetime, kept: str | None = None, *, by_link: bool = False
) -> ResponseReturnValue:
    """Password or link were right: sign in, or ask for the second factor that the person has.

    A passkey is asked for only where the account requires both factors: it signs in by itself.

    kept: a form to be sent again afterwards · by_link: a password may be set without the present one.
    """
    if second_factor.find(db.session(), user) is None and not _passkey_is_required(user):
        return sign_in_and_go(user, now, kept, by_link=by_link)
    begin_waiting(user, now, by_link=by_link)
    if kept:
        page = second_step(CodeForm(formdata=None, data={"kept": kept}), user)
        return page, 200, {"Cache-Control": "no-store"}
    return see_other(url_for("accounts.sign_in_code", next=request.args.get("next")))


def second_step(form: CodeForm, user: User, *, passkey_error: str = "") -> str:
    """The page that asks for the second factor: a code, where the person has a device for codes, or a passkey."""
    let_page_use(PASSKEY_GET)
    session = db.session()
    return render_template(
        "pages/accounts/sign_in_code.html",
        form=form,
        asks_code=second_factor.find(session, user) is not None,
        has_passkey=bool(passkeys.count_of(session, user)),
        passkeys_work=party_here() is not None,
        passkey_error=passkey_error,
    )


def sign_in_and_go(
    user: User,
    now: datetime,
    kept: str | None,
    *,
    by_link: bool = False,
    proof: AcceptedBy | None = None,
    passkey: Passkey | None = None,
) -> ResponseReturnValue:
    """Begin the session, then go to the page asked for, else to the person's own start; with a kept form, to
    submitting it again."""
    said = {"second_factor": proof.value} if proof else {"passkey": passkey.name} if passkey else {}
    begin_session(user, now, said, by_passkey=passkey is not None)
    if by_link:
        cookie["by_link_at"] = now.timestamp()
        return see_other(url_for("accounts.password"))
    carried = carry_over.unpack(kept)
    if carried is None:
        wanted = own_path(request.args.get("next"))
        return see_other(start_page(user) if wanted == "/" else wanted)
    page = render_template("pages/accounts/send_again.html", carried=carried)
    return page, 200, {"Cache-Control": "no-store"}


def begin_session(
    user: User, now: datetime, said: Mapping[str, str] | None = None, *, by_passkey: bool = False
) -> None:
    """Begin a session in this browser with a new token, and commit; its former session ends.

    said: what the person proved themselves with, for the audit log.
    """
    session = db.session()
    for old in ("token", "waiting"):
        if old in cookie:
            sign_in.end(session, cookie[old])
    # Open pages of the same person keep working.
    is_back = cookie.get("known") == name_of(user.email)
    kept = {name: cookie[name] for name in ("csrf_token",) if is_back and name in cookie}
    cookie.clear()
    cookie.update(kept)
    cookie["token"] = sign_in.begin(session, user, now, *_browser(), by_passkey=by_passkey)
    cookie["known"] = name_of(user.email)
    cookie.permanent = True
    actor = audit_log.AuditActor(user.id)
    data = {"address": request.remote_addr, **(said or {})}
    audit_log.record(session, user.account_id, actor, "user.signed_in", user, data, now)
    session.commit()


def begin_waiting(user: User, now: datetime, *, by_link: bool) -> None:
    """Note in a row that only the second factor is missing; the cookie names the row."""
    session = db.session()
    if "waiting" in cookie:
        sign_in.end(session, cookie["waiting"])
    cookie["waiting"] = sign_in.begin(session, user, now, *_browser(), is_waiting=True)
    cookie["waiting_for"] = user.id
    cookie.pop("waiting_by_link", None)
    if by_link:
        cookie["waiting_by_link"] = True
    session.commit()


def name_of(email: str) -> str:
    """What a browser keeps of an address that signed in with it."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:16]


def _passkey_is_required(user: User) -> bool:
    """Whether the password alone is too little, though the person has no device for codes."""
    return user.account.second_factor_required and passkeys.count_of(db.session(), user) > 0


def _browser() -> tuple[str, str]:
    return request.user_agent.string, request.remote_addr or ""
