"""Signed tokens in links that unsubscribe an address from a kind of mail."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass

from itsdangerous import BadData, URLSafeSerializer

from app.settings import Settings

PURPOSE = "unsubscribe"


@dataclass(frozen=True)
class Subscription:
    """The address and the kind of mail. site_id: of the one site that the mail with the link was about, if any."""

    account_id: int
    address: str
    kind: str
    site_id: int | None = None


def token_for(settings: Settings, subscription: Subscription) -> str:
    """A signed, URL-safe token; it never expires."""
    return str(next(_signers(settings)).dumps(list(astuple(subscription))))


def subscription_of(settings: Settings, token: str) -> Subscription | None:
    """The content of the token; None if its signature is not valid."""
    for signer in _signers(settings):
        try:
            return Subscription(*signer.loads(token))
        except BadData:
            continue
    return None


def _signers(settings: Settings) -> Iterator[URLSafeSerializer]:
    old = settings.secret_key_old.get_secret_value()
    for key in (settings.signing_key, *([old] if old else [])):
        yield URLSafeSerializer(key, salt=PURPOSE)
