"""Who sends a request, known before the application reads it: threads are shared by person, not by connection.

Whose key or session it is gets noted when a request has been let in with it. Until then it has a small share of its
own, and all unknown callers leave threads for the known ones.
"""

from collections.abc import Mapping

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadData
from werkzeug.http import parse_cookie

from app.business.accounts.services.tokens import fingerprint
from app.infrastructure.fair_threads import Caller
from app.settings import Settings

MOST_KNOWN = 10_000
OF_A_PERSON, OF_AN_ACCOUNT = 6, 10
"""Concurrent threads, of sixteen."""
OF_A_NEWCOMER, OF_AN_ADDRESS, OF_ALL_NEWCOMERS = 3, 6, 10


class Callers:
    """Known callers of this web process, by the fingerprints of their keys and sessions."""

    def __init__(self, app: Flask, trusted_proxies: int) -> None:
        self.cookie, self.proxies = app.config["SESSION_COOKIE_NAME"], trusted_proxies
        self.signer = SecureCookieSessionInterface().get_signing_serializer(app)
        self._known: dict[str, Caller] = {}

    def note(self, secret: str, user_id: int, account_id: int) -> None:
        """The key or session was found to be theirs."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        shares = (f"user {user_id}", OF_A_PERSON), (f"account {account_id}", OF_AN_ACCOUNT)
        self._known[fingerprint(secret)] = Caller(shares)

    def __call__(self, headers: Mapping[str, str], address: str) -> Caller:
        """The caller of a request; header names are in capitals, with underscores."""
        secret = bearer(headers.get("AUTHORIZATION", "")) or self._token(headers.get("COOKIE", ""))
        mark = fingerprint(secret) if secret else ""
        if known := self._known.get(mark):
            return known
        of_it = ((f"credential {mark}", OF_A_NEWCOMER),) if mark else ()
        address = f"address {self._address(headers, address)}"
        return Caller((*of_it, (address, OF_AN_ADDRESS), ("not known yet", OF_ALL_NEWCOMERS)))

    def _token(self, cookies: str) -> str:
        try:
            kept = parse_cookie(cookies).get(self.cookie)
            return str(self.signer.loads(kept).get("token", "")) if kept and self.signer else ""
        except (BadData, UnicodeError):
            return ""

    def _address(self, headers: Mapping[str, str], address: str) -> str:
        """The client's address as the outermost trusted proxy names it."""
        named = [name.strip() for name in headers.get("X_FORWARDED_FOR", "").split(",")]
        return (len(named) >= self.proxies > 0 and named[-self.proxies]) or address


def bearer(authorization: str) -> str:
    """The API key in this header; empty where there is none."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def init_callers(app: Flask, settings: Settings) -> None:
    """Create the callers that the web server reads, and access fills."""
    app.extensions["callers"] = Callers(app, settings.trusted_proxies)
