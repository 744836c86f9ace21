"""Whether passkeys work at the address at which a page was opened, and what to do where they do not."""

from flask import current_app, request

from app.business.errors import Conflict
from app.infrastructure.passkey_ceremonies import RelyingParty, relying_party
from app.modules.hosts import host_name
from app.settings import Settings


def party_here() -> RelyingParty | None:
    """Whom passkeys are for; None where a browser at this address may not use them."""
    party = relying_party(_settings())
    return party if party and host_name(request.host) == party.id else None


def require_party() -> RelyingParty:
    """Whom passkeys are for. Raises Conflict where a browser at this address may not use them."""
    if (party := party_here()) is None:
        raise Conflict(" ".join(why_not_here()))
    return party


def why_not_here() -> tuple[str, str]:
    """Why passkeys do not work here, and what to do."""
    settings, party = _settings(), relying_party(_settings())
    here = host_name(request.host)
    why = f"Browsers keep a passkey for a host name with https, or for localhost. This page was opened at {here}."
    by_operator = "Whoever runs the console can give it such an address (the setting PUBLIC_URL)."
    if party is None:
        return why, by_operator
    there = f"Open the console at {party.origin}, and sign in there."
    if settings.public_url:
        return why, there
    return why, f"On the machine that runs the console: {_inner(there)} For all others: {_inner(by_operator)}"


def _inner(sentence: str) -> str:
    """As it stands behind a colon."""
    return f"{sentence[0].lower()}{sentence[1:]}"


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found
