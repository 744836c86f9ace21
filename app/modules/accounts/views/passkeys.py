"""A person's passkeys: which there are, another one, a new name, away with one."""

from datetime import UTC, datetime, timedelta

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.passkey_models import Purpose
from app.business.accounts.services import audit_log, passkeys, second_factor, sign_in
from app.business.errors import Conflict
from app.infrastructure.database import db
from app.infrastructure.passkey_ceremonies import Unproven, options_to_add, verify_new
from app.modules.access import allow, current_person
from app.modules.accounts import passkey_challenges
from app.modules.accounts.code_tries import COUNTED_AS, accepted, forget_tries, limit_tries, password_is_right
from app.modules.accounts.forms import NewPasskeyForm, PasskeyForm, PasskeyNameForm
from app.modules.accounts.passkey_address import party_here, require_party, why_not_here
from app.modules.accounts.session_start import PASSKEY_CREATE
from app.modules.display import browser, plural
from app.modules.web import let_page_use, see_other

FRESH = timedelta(hours=1)
"""How long after a sign-in somebody without password and codes may add a passkey."""
STALE = "You have no password that could be asked for. Sign out and in again, then add the passkey within an hour."


@allow(Role.VIEWER, without_second_factor=True)
def show() -> ResponseReturnValue:
    """The person's passkeys, and the form to add one where that is possible."""
    return _page(_form())


@allow(Role.VIEWER, without_second_factor=True)
@limit_tries
def begin() -> ResponseReturnValue:
    """Who it is is confirmed: the page on which the browser makes the passkey."""
    form, person, now, party = _form(), current_person(), datetime.now(UTC), require_party()
    if not (form.validate() and password_is_right(form.password, person.user) and _code_is_right(form)):
        return _page(form), 422
    if not (form.password or form.code) and (
        person.session is None or now - person.session.created_at > FRESH
    ):
        raise Conflict(STALE)
    session = db.session()
    passkeys.check_room(session, person.user)
    forget_tries(COUNTED_AS)
    challenge = passkey_challenges.give(Purpose.ADD, person.user, now)
    options = options_to_add(party, person.user, challenge, passkeys.passkeys_of(session, person.user))
    let_page_use(PASSKEY_CREATE)
    page = render_template(
        "pages/accounts/passkey_new.html",
        form=NewPasskeyForm(formdata=None, data={"name": form.name.data}),
        options=options,
    )
    db.session.commit()
    return page


@allow(Role.VIEWER, without_second_factor=True)
def add() -> ResponseReturnValue:
    """The browser has made it: keep it. This session counts as begun with it."""
    form, person, now = NewPasskeyForm(), current_person(), datetime.now(UTC)
    try:
        party, challenge = passkey_challenges.take(Purpose.ADD, person.user, now)
        if not form.validate():
            raise Unproven("nothing was sent")
        new = verify_new(party, challenge, form.credential.data)
    except Unproven as refusal:
        return _page(_form(), error=passkey_challenges.words_of(refusal, f"of user {person.user.id}: ")), 422
    session = db.session()
    kept = passkeys.add(session, person.user, new, challenge.user_handle, form.name.data, now)
    if person.session:
        person.session.by_passkey = True
    _note("user.passkey_added", now, {"passkey": kept.name})
    db.session.commit()
    flash(f"“{kept.name}” is added. From now on you can sign in with it.", "success")
    return see_other(url_for("accounts.passkeys"))


@allow(Role.VIEWER)
def rename(id: int) -> ResponseReturnValue:
    """Ask for another name, and give it."""
    found = passkeys.one_of(db.session(), current_person().user, id)
    form, old = PasskeyNameForm(data={"name": found.name}), found.name
    if not form.validate_on_submit():
        page = render_template("pages/accounts/passkey_name.html", form=form, passkey=found)
        return page, 422 if form.errors else 200
    if form.name.data != old:
        found.name = form.name.data
        data = audit_log.differences({"passkey": old}, {"passkey": found.name})
        _note("user.passkey_renamed", datetime.now(UTC), data)
        db.session.commit()
        flash("Saved.", "success")
    return see_other(url_for("accounts.passkeys"))


@allow(Role.VIEWER)
def remove(id: int) -> ResponseReturnValue:
    """It signs in no more, and whoever has signed in elsewhere has to do so again: the device may be stolen."""
    person, session = current_person(), db.session()
    name = passkeys.remove(session, person.user, id)
    ended = sign_in.end_all(session, person.user, but=person.session)
    _note("user.passkey_removed", datetime.now(UTC), {"passkey": name, "browsers": ended})
    db.session.commit()
    others = f" {plural(ended, 'other browser')} signed out." if ended else ""
    flash(f"“{name}” is removed.{others}", "success")
    return see_other(url_for("accounts.passkeys"))


def _form() -> PasskeyForm:
    """Asks for all that the person has: a passkey stands for password and code together."""
    user = current_person().user
    form = PasskeyForm(data={"name": browser(request.user_agent.string)})
    if not user.password_hash:
        del form.password
    if second_factor.find(db.session(), user) is None:
        del form.code
    return form


def _code_is_right(form: PasskeyForm) -> bool:
    return form.code is None or accepted(form, current_person().user) is not None


def _page(form: PasskeyForm, error: str = "") -> str:
    user = current_person().user
    found = passkeys.passkeys_of(db.session(), user)
    return render_template(
        "pages/accounts/passkeys.html",
        form=form,
        passkeys=found,
        is_only_way=user.password_hash is None and len(found) == 1,
        why_not=None if party_here() else why_not_here(),
        error=error,
    )


def _note(action: str, now: datetime, data: dict[str, object]) -> None:
    person = current_person()
    audit_log.record(db.session(), person.account.id, person.actor, action, person.user, data, now)
