"""The addresses by which somebody unsubscribes from a kind of mail: signed, so that nobody makes one for others."""

from collections.abc import Iterator
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer

from app.settings import Settings

PURPOSE = "unsubscribe"


@dataclass(frozen=True)
class Subscription:
    """What somebody unsubscribes from."""

    account_id: int
    address: str
    kind: str


def token_for(settings: Settings, subscription: Subscription) -> str:
    """Part of an address; it never expires."""
    values = [subscription.account_id, subscription.address, subscription.kind]
    return str(next(_signers(settings)).dumps(values))


def subscription_of(settings: Settings, token: str) -> Subscription | None:
    """What the token stands for; None where we did not make it."""
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
