"""The three headers that Standard Webhooks signs a message with: writing and checking them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_WELL_FORMED = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """One signature for each secret. Raises the library's exception for a malformed secret."""
    signatures = [Webhook(secret).sign(message_id, at.astimezone(UTC), body) for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: " ".join(signatures)}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the message was signed with the secret, within the last five minutes.

    Of several signatures one is enough; those of other versions, and what is no signature, are passed over.
    """
    given = {name.lower(): value for name, value in headers.items()}
    # The library raises for anything else in this header, even beside a signature that is right.
    given[SIGNATURE] = " ".join(filter(_WELL_FORMED.fullmatch, given.get(SIGNATURE, "").split()))
    try:
        Webhook(secret).verify(body, given)
    except (WebhookVerificationError, UnicodeDecodeError):
        return False
    return True
