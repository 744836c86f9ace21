"""Beginning a session in this browser: at once, or after the code of a second factor."""

import hashlib
from datetime import datetime

from flask import render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.models import User
from app.business.accounts.services import audit_log, second_factor, sign_in
from app.business.accounts.services.second_factor import AcceptedBy
from app.infrastructure.database import db
from app.modules import carry_over
from app.modules.access import own_path, start_page
from app.modules.accounts.forms import CodeForm
from app.modules.web import see_other


def enter(
    user: User, now: datetime, kept: str | None = None, *, by_link: bool = False
) -> ResponseReturnValue:
    """Password or link were right: sign in, or ask for the code where the person has a second factor.

    kept: a form to be sent again afterwards · by_link: a password may be set without the present one.
    """
    if second_factor.find(db.session(), user) is None:
        return sign_in_and_go(user, now, kept, by_link=by_link)
    begin_waiting(user, now, by_link=by_link)
    if kept:
        form = CodeForm(formdata=None, data={"kept": kept})
        return (
            render_template("pages/accounts/sign_in_code.html", form=form),
            200,
            {"Cache-Control": "no-store"},
        )
    return see_other(url_for("accounts.sign_in_code", next=request.args.get("next")))


def sign_in_and_go(
    user: User,
    now: datetime,
    kept: str | None,
    *,
    by_link: bool = False,
    proof: AcceptedBy | None = None,
) -> ResponseReturnValue:
    """Begin the session, then go to the page asked for, else to the person's own start; with a kept form, to
    submitting it again."""
    begin_session(user, now, proof)
    if by_link:
        cookie["by_link_at"] = now.timestamp()
        return see_other(url_for("accounts.password"))
    carried = carry_over.unpack(kept)
    if carried is None:
        wanted = own_path(request.args.get("next"))
        return see_other(start_page(user) if wanted == "/" else wanted)
    page = render_template("pages/accounts/send_again.html", carried=carried)
    return page, 200, {"Cache-Control": "no-store"}


def begin_session(user: User, now: datetime, proof: AcceptedBy | None = None) -> None:
    """Begin a session in this browser with a new token, and commit; its former session ends."""
    session = db.session()
    for old in ("token", "waiting"):
        if old in cookie:
            sign_in.end(session, cookie[old])
    # Open pages of the same person keep working.
    is_back = cookie.get("known") == name_of(user.email)
    kept = {name: cookie[name] for name in ("csrf_token",) if is_back and name in cookie}
    cookie.clear()
    cookie.update(kept)
    cookie["token"] = sign_in.begin(session, user, now, *_browser())
    cookie["known"] = name_of(user.email)
    cookie.permanent = True
    said = {"address": request.remote_addr} | ({"second_factor": proof.value} if proof else {})
    actor = audit_log.AuditActor(user.id)
    audit_log.record(session, user.account_id, actor, "user.signed_in", user, said, now)
    session.commit()


def begin_waiting(user: User, now: datetime, *, by_link: bool) -> None:
    """Note in a row that only the code is missing; the cookie names the row."""
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


def _browser() -> tuple[str, str]:
    return request.user_agent.string, request.remote_addr or ""
