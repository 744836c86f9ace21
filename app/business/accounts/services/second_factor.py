"""The second factor: codes of a device, each accepted once, and recovery codes, each spent once."""

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.second_factor_models import RecoveryCode, SecondFactor
from app.business.accounts.services.tokens import fingerprint
from app.business.base import RowValues
from app.business.errors import Conflict, Invalid
from app.business.upsert import insert_missing

ISSUER = "IGNY8 Automation"
DRIFT = (0, -1, 1)
"""Time steps beside the present one whose codes are accepted: clocks differ, and typing takes time."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""Of chance in a recovery code: too many to be guessed even from the stored hash."""
PART = 4
WRONG = "That is not the present code. Wait for the next one, and check the clock of your device."


class AcceptedBy(StrEnum):
    """What a person proved themselves with."""

    DEVICE = "device"
    RECOVERY_CODE = "recovery code"


def new_secret() -> str:
    """A secret for a device, as it is typed where no picture can be taken."""
    return pyotp.random_base32()


def address_of(secret: str, email: str) -> str:
    """What the picture for the device says."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def find(session: Session, user: User) -> SecondFactor | None:
    """The person's second factor, if it is on."""
    return session.scalar(select(SecondFactor).where(SecondFactor.user_id == user.id))


def people_with(session: Session, account_id: int) -> set[int]:
    """Ids of the account's people whose second factor is on."""
    return set(session.scalars(select(SecondFactor.user_id).where(SecondFactor.account_id == account_id)))


def switch_on(
    session: Session, user: User, secret: str, code: str, seal: Callable[[str], str], now: datetime
) -> list[str]:
    """Require codes of the device from now on; returns the recovery codes. Raises Invalid, Conflict."""
    step = _step_of(secret, code, now)
    if step is None:
        raise Invalid({"code": [WRONG]})
    sealed = seal(secret)
    values: RowValues = {
        "account_id": user.account_id,
        "user_id": user.id,
        "secret_sealed": sealed,
        "last_step": step,
    }
    insert_missing(session, SecondFactor, values | {"created_at": now})
    kept = find(session, user)
    if kept is None or kept.secret_sealed != sealed:
        raise Conflict("Your second factor is on already. To use another device, switch it off first.")
    return renew_recovery_codes(session, user, now)


def accept(
    session: Session, user: User, code: str, unseal: Callable[[str], str], now: datetime
) -> AcceptedBy | None:
    """Use up a code of the device, or a recovery code; None where it is wrong or was used before."""
    typed = "".join(sign for sign in code.lower() if sign.isascii() and sign.isalnum())
    if typed.isdigit():
        return AcceptedBy.DEVICE if _accept_device(session, user, typed, unseal, now) else None
    spent = delete(RecoveryCode).where(
        RecoveryCode.user_id == user.id, RecoveryCode.code_hash == fingerprint(typed)
    )
    found = session.scalar(spent.returning(RecoveryCode.id))
    return AcceptedBy.RECOVERY_CODE if found is not None else None


def renew_recovery_codes(session: Session, user: User, now: datetime) -> list[str]:
    """New recovery codes, of which only hashes are kept; earlier ones become invalid."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(account_id=user.account_id, user_id=user.id, code_hash=fingerprint(code), created_at=now)
        for code in codes
    )
    session.flush()
    return ["-".join(code[at : at + PART] for at in range(0, len(code), PART)) for code in codes]


def recovery_codes_left(session: Session, user: User) -> int:
    """How many are not spent."""
    return session.scalar(select(func.count(RecoveryCode.id)).where(RecoveryCode.user_id == user.id)) or 0


def switch_off(session: Session, user: User) -> bool:
    """The password alone signs the person in again; False where it was off."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    off = delete(SecondFactor).where(SecondFactor.user_id == user.id).returning(SecondFactor.id)
    return session.scalar(off) is not None


def sealed_secrets(session: Session) -> Mapping[int, str]:
    """Every encrypted secret by id, to be encrypted again with another key."""
    rows = session.execute(select(SecondFactor.id, SecondFactor.secret_sealed))
    return {row[0]: row[1] for row in rows}


def replace_sealed(session: Session, id: int, old: str, new: str) -> None:
    """Replace the encrypted secret, unless it was set up anew meanwhile."""
    session.execute(
        update(SecondFactor)
        .where(SecondFactor.id == id, SecondFactor.secret_sealed == old)
        .values(secret_sealed=new)
        .execution_options(synchronize_session=False)
    )


def _accept_device(
    session: Session, user: User, code: str, unseal: Callable[[str], str], now: datetime
) -> bool:
    factor = find(session, user)
    secret = unseal(factor.secret_sealed) if factor else ""
    step = _step_of(secret, code, now) if secret else None
    if step is None:
        return False
    # Of two requests with the same code one finds the step as it was.
    used = update(SecondFactor).where(SecondFactor.user_id == user.id, SecondFactor.last_step < step)
    return session.scalar(used.values(last_step=step).returning(SecondFactor.id)) is not None


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step of which this is the code."""
    device, typed = pyotp.TOTP(secret), "".join(code.split())
    if not (typed.isascii() and typed.isdigit()):
        return None
    matching = (
        drift for drift in DRIFT if secrets.compare_digest(device.at(now, counter_offset=drift), typed)
    )
    drift = next(matching, None)
    return None if drift is None else device.timecode(now) + drift


def _new_code() -> str:
    return base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
