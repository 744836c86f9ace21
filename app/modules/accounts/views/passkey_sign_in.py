"""Signing in with a passkey, which stands for password and second factor together."""

from datetime import UTC, datetime

from flask import Response, request
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address

from app.business.accounts.models import User
from app.business.accounts.passkey_models import Passkey, Purpose
from app.business.accounts.services import audit_log, passkeys, sign_in
from app.infrastructure.database import db
from app.infrastructure.passkey_ceremonies import Unproven, options_to_sign_in, read_answer, verify_sign_in
from app.modules.access import allow
from app.modules.accounts import passkey_challenges
from app.modules.accounts.forms import CodeForm, PasskeyAnswerForm, SignInForm
from app.modules.accounts.passkey_address import require_party
from app.modules.accounts.session_start import second_step, sign_in_and_go
from app.modules.accounts.views.sign_in import is_refused, page_with
from app.modules.throttle import limiter


@allow.anyone
@limiter.limit("300 per 15 minutes", key_func=get_remote_address)
def ask() -> ResponseReturnValue:
    """What the browser has to sign, as JSON. The same for everybody: nobody has said yet who they are."""
    party = require_party()
    options = options_to_sign_in(party, passkey_challenges.give(Purpose.SIGN_IN, None, datetime.now(UTC)))
    db.session.commit()
    return Response(options, mimetype="application/json", headers={"Cache-Control": "no-store"})


@allow.anyone
@limiter.limit("50 per 15 minutes", key_func=get_remote_address, deduct_when=is_refused)
def enter() -> ResponseReturnValue:
    """The browser's answer: where it is right a session begins, and no code is asked for."""
    form, now = PasskeyAnswerForm(), datetime.now(UTC)
    try:
        passkey, user = _proven(form, now)
    except Unproven as refusal:
        return _refused(form, passkey_challenges.words_of(refusal), now), 422
    by_link = "waiting_by_link" in cookie and cookie.get("waiting_for") == user.id
    return sign_in_and_go(user, now, form.kept.data, by_link=by_link, passkey=passkey)


def _proven(form: PasskeyAnswerForm, now: datetime) -> tuple[Passkey, User]:
    """Whose passkey has signed. Raises Unproven; the words say the same of an unknown passkey as of a wrong answer."""
    party, challenge = passkey_challenges.take(Purpose.SIGN_IN, None, now)
    if not form.validate():
        raise Unproven("nothing was sent")
    answer, session = read_answer(form.credential.data), db.session()
    found = passkeys.holder(session, answer.credential_id, answer.user_handle)
    if found is None:
        raise Unproven("no passkey of anybody who may sign in")
    passkey, user = found
    count = verify_sign_in(party, challenge, answer, passkey)
    address = request.remote_addr or ""
    if not passkeys.use(session, passkey, count, address, request.user_agent.string, now):
        data = {"passkey": passkey.name, "address": address}
        nobody = audit_log.AuditActor()
        audit_log.record(session, user.account_id, nobody, "user.passkey_refused", user, data, now)
        session.commit()
        raise Unproven(f"of user {user.id}: the device counts from {count}, lower than before")
    return passkey, user


def _refused(form: PasskeyAnswerForm, words: str, now: datetime) -> str:
    """The page on which the passkey was tried: the sign-in page, or the second step after a password."""
    kept = {"kept": form.kept.data}
    waiting = sign_in.find_waiting(db.session(), cookie.get("waiting", ""), now)
    if waiting:
        return second_step(CodeForm(formdata=None, data=kept), waiting.user, passkey_error=words)
    return page_with(SignInForm(formdata=None, data=kept), passkey_error=words)
