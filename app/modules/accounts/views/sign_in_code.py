"""The second step of signing in: the code of a device, or a recovery code. A passkey has a view of its own."""

from datetime import UTC, datetime

from flask import flash, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app.business.accounts.services import second_factor, sign_in
from app.business.accounts.services.second_factor import AcceptedBy
from app.infrastructure.database import db
from app.modules.access import allow, own_path
from app.modules.accounts.code_tries import COUNTED_AS, accepted, forget_tries, limit_tries
from app.modules.accounts.forms import CodeForm
from app.modules.accounts.session_start import second_step, sign_in_and_go
from app.modules.web import see_other


@allow.anyone
@limit_tries
def show() -> ResponseReturnValue:
    """Ask for the code; a session begins with the right one only."""
    now = datetime.now(UTC)
    found = sign_in.find_waiting(db.session(), cookie.get("waiting", ""), now)
    if found is None:
        flash("Sign in again: the second step is to follow within ten minutes.", "info")
        return see_other(url_for("accounts.sign_in", next=own_path(request.args.get("next"))))
    form, user = CodeForm(), found.user
    if form.validate_on_submit() and (proof := accepted(form, user)):
        forget_tries(COUNTED_AS)
        left, by_link = second_factor.recovery_codes_left(db.session(), user), "waiting_by_link" in cookie
        answer = sign_in_and_go(user, now, form.kept.data, by_link=by_link, proof=proof)
        if proof == AcceptedBy.RECOVERY_CODE:
            flash(
                f"That recovery code is spent; {left} are left. You find new ones in Your settings.", "info"
            )
        return answer
    return second_step(form, user), 422 if form.errors else 200
