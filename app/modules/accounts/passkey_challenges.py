"""The challenge of this browser: given out, and taken back with the answer."""

from datetime import datetime

from flask import session as cookie

from app.business.accounts.models import User
from app.business.accounts.passkey_models import Purpose
from app.business.accounts.services import passkeys
from app.business.accounts.services.passkeys import Challenge
from app.infrastructure.database import db
from app.infrastructure.passkey_ceremonies import RelyingParty, Unproven
from app.modules.accounts.passkey_address import require_party
from app.modules.refusal_log import note_refusal

COOKIE = "passkey"
NOT_ACCEPTED = "This passkey was not accepted."
OVER = "This try is over: it took longer than five minutes, or it was sent before. Start again."


class NoChallenge(Unproven):
    """The answer comes too late, a second time, or from another browser."""


def give(purpose: Purpose, user: User | None, now: datetime) -> Challenge:
    """A new challenge, which only this browser may answer; one that it had before is void."""
    token, challenge = passkeys.ask(db.session(), purpose, user, now)
    cookie[COOKIE] = token
    return challenge


def take(purpose: Purpose, user: User | None, now: datetime) -> tuple[RelyingParty, Challenge]:
    """Use up the challenge of this browser, whatever becomes of the answer. Raises NoChallenge, Conflict."""
    party = require_party()
    challenge = passkeys.take(db.session(), cookie.pop(COOKIE, ""), purpose, user, now)
    db.session.commit()
    if challenge is None:
        raise NoChallenge("no open challenge of this browser")
    return party, challenge


def words_of(refusal: Unproven, about: str = "") -> str:
    """What the person is told; the log gets the reason, which could help only somebody who tries out answers."""
    note_refusal("wrong passkey", f"{about}{refusal}")
    return OVER if isinstance(refusal, NoChallenge) else NOT_ACCEPTED
