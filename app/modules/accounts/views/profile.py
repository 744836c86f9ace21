"""A person's own settings: name, time zone, password."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services import api_keys, audit_log, passkeys, sign_in
from app.business.accounts.services.passwords import is_right
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, start_page
from app.modules.accounts.forms import ChangePasswordForm, NewPasswordForm, ProfileForm
from app.modules.accounts.session_start import begin_session
from app.modules.display import plural
from app.modules.throttle import limiter
from app.modules.web import see_other

BY_LINK_SECONDS = 3600
"""How long after signing in by a link a password may be set without the present one."""


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    return _page(ProfileForm(data={"name": current_person().user.name, "timezone": _zone()}), 200)


@allow(Role.VIEWER)
def save() -> ResponseReturnValue:
    form, user, account = ProfileForm(), current_person().user, current_person().account
    if not form.validate():
        return _page(form, 422)
    user.name, user.updated_at = form.name.data or "", datetime.now(UTC)
    # A person with the account's zone follows it when it changes.
    user.timezone = None if form.timezone.data == account.timezone else form.timezone.data
    db.session.commit()
    flash("Saved.", "success")
    return see_other(url_for("accounts.profile"))


@allow(Role.VIEWER)
@limiter.limit("10 per 15 minutes", methods=["POST"])
def password() -> ResponseReturnValue:
    """Set the first password, replace a forgotten one, or change it; every other session ends."""
    user, by_link = current_person().user, _came_by_link()
    form = ChangePasswordForm() if user.password_hash and not by_link else NewPasswordForm()
    keys, own = api_keys.count_of(db.session(), user), passkeys.count_of(db.session(), user)
    if not keys:
        del form.end_keys
    if not own:
        del form.end_passkeys
    if request.method == "GET":
        _preset(form, by_link)
    if form.validate_on_submit() and _present_is_right(form) and _take(form):
        return see_other(start_page(current_person().user))
    page = render_template("pages/accounts/password.html", form=form, keys=keys, passkeys=own)
    return page, 422 if form.errors else 200


def _page(form: ProfileForm, code: int) -> ResponseReturnValue:
    return render_template("pages/accounts/profile.html", form=form), code


def _preset(form: NewPasswordForm, by_link: bool) -> None:
    """A forgotten password may mean more was lost; a mere change leaves keys alone, and so does who has just shown a
    passkey."""
    found = current_person().session
    if form.end_keys:
        form.end_keys.data = by_link
    if form.end_passkeys:
        form.end_passkeys.data = by_link and not (found and found.by_passkey)


def _zone() -> str:
    person = current_person()
    return person.user.timezone or person.account.timezone


def _came_by_link() -> bool:
    """Whether this session began by a link just now: then the present password is not required."""
    return bool(datetime.now(UTC).timestamp() - cookie.get("by_link_at", 0) < BY_LINK_SECONDS)


def _present_is_right(form: NewPasswordForm) -> bool:
    if not isinstance(form, ChangePasswordForm):
        return True
    if is_right(form.present.data, current_person().user.password_hash):
        return True
    form.present.errors = ["That is not your present password."]
    return False


def _take(form: NewPasswordForm) -> bool:
    session, person, now = db.session(), current_person(), datetime.now(UTC)
    user, actor, is_first = person.user, person.actor, person.user.password_hash is None
    by_passkey = bool(person.session and person.session.by_passkey)
    try:
        sign_in.set_password(session, user, form.password.data, now)
    except Invalid as refusal:
        form.password.errors = refusal.errors["password"]
        return False
    ended = api_keys.revoke_all(session, user, actor, now) if form.end_keys and form.end_keys.data else 0
    removed = passkeys.remove_all(session, user) if form.end_passkeys and form.end_passkeys.data else 0
    data = {"keys_ended": ended, "passkeys_removed": removed}
    audit_log.record(session, user.account_id, actor, "user.password_changed", user, data, now)
    begin_session(user, now, by_passkey=by_passkey)
    keys = f" {plural(ended, 'API key')} ended too." if ended else ""
    keys += f" {plural(removed, 'passkey')} removed." if removed else ""
    others = "" if is_first else " All other browsers are signed out."
    flash(f"Your password is set.{others}{keys}", "success")
    return True
