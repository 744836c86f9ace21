"""The browsers in which a person is signed in; each can be signed out from any other."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services import audit_log, sign_in
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.display import plural
from app.modules.web import see_other


@allow(Role.VIEWER)
def show() -> str:
    person = current_person()
    found = sign_in.sessions_of(db.session(), person.user, datetime.now(UTC))
    return render_template("pages/accounts/sessions.html", sessions=found)


@allow(Role.VIEWER)
def end(id: int) -> ResponseReturnValue:
    """Sign one browser out; it may be this one."""
    sign_in.end_one(db.session(), current_person().user, id)
    return _ended("That browser is signed out.", 1, ".sessions")


@allow(Role.VIEWER)
def end_others() -> ResponseReturnValue:
    """Sign every browser out but this one."""
    person = current_person()
    count = sign_in.end_all(db.session(), person.user, but=person.session)
    said = f"{plural(count, 'other browser')} signed out." if count else "No other browser was signed in."
    return _ended(said, count, ".sessions")


@allow(Role.VIEWER)
def end_all() -> ResponseReturnValue:
    """Sign every browser out, this one included."""
    count = sign_in.end_all(db.session(), current_person().user)
    return _ended("You are signed out everywhere.", count, ".sign_in")


def _ended(said: str, count: int, endpoint: str) -> ResponseReturnValue:
    person, now = current_person(), datetime.now(UTC)
    if count:
        audit_log.record(
            db.session(),
            person.account.id,
            person.actor,
            "user.signed_out",
            person.user,
            {"browsers": count},
            now,
        )
    db.session.commit()
    flash(said, "success")
    return see_other(url_for(endpoint))
