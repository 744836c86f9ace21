"""The three headers that Standard Webhooks signs a message with: writing and checking them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """One signature for each secret. Raises the library's exception for a malformed secret."""
    signatures = [Webhook(secret).sign(message_id, at.astimezone(UTC), body) for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: " ".join(signatures)}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the message was signed with the secret, within the last five minutes."""
    try:
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    except WebhookVerificationError:
        return False
    return True
