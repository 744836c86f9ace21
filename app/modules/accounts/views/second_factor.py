"""A person's second factor: set up, recovery codes, off."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services import audit_log, second_factor, sign_in
from app.business.errors import Conflict, Invalid
from app.infrastructure.database import db
from app.infrastructure.secret_box import Unreadable
from app.modules.access import allow, current_person, start_page
from app.modules.accounts.code_tries import (
    COUNTED_AS,
    accepted,
    box,
    forget_tries,
    limit_tries,
    password_is_right,
)
from app.modules.accounts.forms import CodeForm, SecondFactorForm
from app.modules.accounts.qr_code import qr_code
from app.modules.web import see_other


@allow(Role.VIEWER, without_second_factor=True)
def show() -> ResponseReturnValue:
    """Set it up; where it is on: what is left of the recovery codes, and switching it off."""
    if second_factor.find(db.session(), current_person().user):
        return _page(CodeForm(formdata=None))
    return _set_up(_form(), second_factor.new_secret())


@allow(Role.VIEWER, without_second_factor=True)
@limit_tries
def switch_on() -> ResponseReturnValue:
    """The device shows codes: from now on they are asked for. All other browsers are signed out."""
    person, session, form, now = current_person(), db.session(), _form(), datetime.now(UTC)
    secret = _secret_of(form)
    if not (secret and form.validate() and password_is_right(form.password, person.user)):
        return _set_up(form, secret or second_factor.new_secret()), 422
    try:
        codes = second_factor.switch_on(session, person.user, secret, form.code.data, box().seal, now)
    except Invalid as refusal:
        form.code.errors = refusal.errors["code"]
        return _set_up(form, secret), 422
    ended = sign_in.end_all(session, person.user, but=person.session)
    _note("user.second_factor_on", now, {"browsers": ended})
    flash("The second factor is on. All other browsers are signed out.", "success")
    return _codes(codes)


@allow(Role.VIEWER)
@limit_tries
def renew_codes() -> ResponseReturnValue:
    """New recovery codes, shown once."""
    form, user, now = CodeForm(), current_person().user, datetime.now(UTC)
    if not (form.validate() and accepted(form, user)):
        return _page(form), 422
    codes = second_factor.renew_recovery_codes(db.session(), user, now)
    _note("user.recovery_codes_made", now)
    return _codes(codes)


@allow(Role.VIEWER)
@limit_tries
def switch_off() -> ResponseReturnValue:
    """The password alone signs in again."""
    form, user = CodeForm(), current_person().user
    if not (form.validate() and accepted(form, user)):
        return _page(form), 422
    second_factor.switch_off(db.session(), user)
    _note("user.second_factor_off", datetime.now(UTC))
    forget_tries(COUNTED_AS)
    flash("The second factor is off.", "success")
    return see_other(url_for("accounts.profile"))


def _form() -> SecondFactorForm:
    form = SecondFactorForm()
    if not current_person().user.password_hash:
        del form.password
    return form


def _secret_of(form: SecondFactorForm) -> str | None:
    """The secret of the picture that the person saw: kept sealed in the form until it is confirmed."""
    try:
        user_id, _, secret = box().open(form.sealed.data or "").partition(" ")
    except Unreadable:
        return None
    return secret if user_id == str(current_person().user.id) else None


def _set_up(form: SecondFactorForm, secret: str) -> str:
    person = current_person()
    form.sealed.data = box().seal(f"{person.user.id} {secret}")
    return render_template(
        "pages/accounts/second_factor_on.html",
        form=form,
        secret=secret,
        picture=qr_code(second_factor.address_of(secret, person.user.email)),
    )


def _page(form: CodeForm) -> str:
    user, session = current_person().user, db.session()
    found = second_factor.find(session, user)
    if found is None:
        raise Conflict("Your second factor is off.")
    left = second_factor.recovery_codes_left(session, user)
    return render_template("pages/accounts/second_factor.html", form=form, found=found, left=left)


def _codes(codes: list[str]) -> ResponseReturnValue:
    user = current_person().user
    sets_password = not user.password_hash or "by_link_at" in cookie
    page = render_template(
        "pages/accounts/recovery_codes.html",
        codes=codes,
        next_url=url_for("accounts.password") if sets_password else start_page(user),
    )
    db.session.commit()
    return page


def _note(action: str, now: datetime, data: dict[str, object] | None = None) -> None:
    person = current_person()
    audit_log.record(db.session(), person.account.id, person.actor, action, person.user, data, now)
