"""The two ceremonies of WebAuthn: what a browser is asked, and whether its answer is right.

The library takes 8 MB and 60 ms to load: only the process that needs it does so, at its first passkey.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from app.business.accounts.models import User
from app.business.accounts.passkey_models import Passkey
from app.business.accounts.services.passkeys import (
    LONGEST_ID,
    VALID_FOR,
    Challenge,
    NewPasskey,
    encoded,
)
from app.settings import Settings

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticationCredential

NAME = "IGNY8 Automation"
MILLISECONDS = int(VALID_FOR.total_seconds() * 1000)
USUAL_PORTS = {"http": 80, "https": 443}
Given = ParamSpec("Given")
Result = TypeVar("Result")


class Unproven(Exception):
    """An answer that proves nothing; the message says to operators why."""


@dataclass(frozen=True)
class RelyingParty:
    """Whom passkeys are for. id: the host name that they are bound to · origin: where browsers may use them."""

    id: str
    origin: str


@dataclass(frozen=True)
class SignInAnswer:
    """A browser's answer at a sign-in, of which nothing is verified yet."""

    parsed: "AuthenticationCredential"
    credential_id: str
    user_handle: str


def relying_party(settings: Settings) -> RelyingParty | None:
    """By PUBLIC_URL, never by a request; None where browsers know no passkeys: at a bare IP address, or without https.

    Without PUBLIC_URL it is localhost, which needs no https.
    """
    parts = urlsplit(settings.public_url or f"http://localhost:{settings.port}")
    name = _host_name(parts.hostname or "")
    if not name or (parts.scheme != "https" and name != "localhost"):
        return None
    is_usual = parts.port in (None, USUAL_PORTS[parts.scheme])
    return RelyingParty(name, f"{parts.scheme}://{name}" + ("" if is_usual else f":{parts.port}"))


def options_to_add(party: RelyingParty, user: User, challenge: Challenge, known: Sequence[Passkey]) -> str:
    """What a browser is asked to make, as JSON. known: passkeys of the person, whose devices must not make another."""
    import webauthn
    from webauthn.helpers import base64url_to_bytes, structs

    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=NAME,
        user_id=base64url_to_bytes(challenge.user_handle),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=challenge.value,
        timeout=MILLISECONDS,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential_id)) for one in known
        ],
    )
    return webauthn.options_to_json(options)


def verify_new(party: RelyingParty, challenge: Challenge, credential: str) -> NewPasskey:
    """The passkey that a device has made. Raises Unproven."""
    import webauthn
    from webauthn.helpers import parse_registration_credential_json

    parsed = _proven(parse_registration_credential_json, credential)
    _check_not_framed(parsed.response.client_data_json)
    made = _proven(
        webauthn.verify_registration_response,
        credential=parsed,
        expected_challenge=challenge.value,
        expected_rp_id=party.id,
        expected_origin=party.origin,
        require_user_verification=True,
    )
    if len(made.credential_id) > LONGEST_ID:
        raise Unproven("its id is too long")
    return NewPasskey(encoded(made.credential_id), made.credential_public_key, made.sign_count)


def options_to_sign_in(party: RelyingParty, challenge: Challenge) -> str:
    """What a browser is asked to sign, as JSON: with any passkey that it knows for this console."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge.value,
        timeout=MILLISECONDS,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def read_answer(credential: str) -> SignInAnswer:
    """Which passkey a browser says that it has used. Raises Unproven."""
    from webauthn.helpers import parse_authentication_credential_json

    parsed = _proven(parse_authentication_credential_json, credential)
    return SignInAnswer(parsed, encoded(parsed.raw_id), encoded(parsed.response.user_handle or b""))


def verify_sign_in(party: RelyingParty, challenge: Challenge, answer: SignInAnswer, passkey: Passkey) -> int:
    """How often the device says that it was used; its caller compares that with the last time. Raises Unproven."""
    import webauthn

    _check_not_framed(answer.parsed.response.client_data_json)
    return _proven(
        webauthn.verify_authentication_response,
        credential=answer.parsed,
        expected_challenge=challenge.value,
        expected_rp_id=party.id,
        expected_origin=party.origin,
        credential_public_key=passkey.public_key,
        # Compared where it is stored, in one statement, so that of two answers at once only one is right.
        credential_current_sign_count=0,
        require_user_verification=True,
    ).new_sign_count


def _check_not_framed(client_data: bytes) -> None:
    """Our pages stand in no frame of others, whatever asks from within one. Raises Unproven."""
    from webauthn.helpers import parse_client_data_json

    if _proven(parse_client_data_json, client_data).cross_origin:
        raise Unproven("asked for within a page of somebody else")


def _host_name(name: str) -> str:
    """As browsers write it in an origin; empty for an IP address, which cannot have passkeys."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        try:
            return name.encode("idna").decode()
        except UnicodeError:
            return ""
    return ""


def _proven(verify: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        return verify(*args, **kwargs)
    except WebAuthnException as error:
        # From the first quotation mark on the library repeats what was sent, which no log gets.
        raise Unproven(str(error).partition('"')[0].strip()) from error
    except Exception as error:
        # What strangers send breaks parsers in ways that no list of errors is sure to name.
        raise Unproven(type(error).__name__) from error
