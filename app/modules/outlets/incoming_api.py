"""REST: messages from other systems, signed as Standard Webhooks defines it, which start rules."""

from datetime import UTC, datetime

from flask import Response, current_app, g, request
from pydantic import Field, JsonValue, RootModel
from werkzeug.exceptions import TooManyRequests, Unauthorized

from app.business.errors import Invalid, TooLarge
from app.business.outlets.services import incoming
from app.business.outlets.services.incoming import Receiver
from app.infrastructure.database import db
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.infrastructure.webhooks.signature import ID, is_signed
from app.modules.access import Permission
from app.modules.api.bodies import CheckedLater
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.models import ApiModel
from app.modules.api.resource import report, saved
from app.modules.gate.json_text import Malformed, is_storable
from app.modules.outlets.connection import settings
from app.modules.quotas import INCOMING, count_wrong_key, counts

api = ApiBlueprint("incoming_api", __name__, url_prefix="/api/incoming")
MOST_BYTES = 64 * 1024
LONGEST_ID = 255
SIGNED = Permission(None, has_proof=True)
WRONG_SIGNATURE = "The signature is wrong, or older than five minutes. Sign with the secret of this address."


class IncomingBody(RootModel[dict[str, JsonValue]]):
    """Any JSON object. Rules read its values by their path: `incoming.order.total`."""


class Received(ApiModel):
    """What became of a message."""

    id: str = Field(description="Its `webhook-id`.")
    repeated: bool = Field(
        description="Whether a message with this id came before, so that nothing starts again."
    )


@api.call(
    "POST",
    "/<string:token>/",
    SIGNED,
    answers={202: Received},
    errors=(TooManyRequests,),
    repeated="asks again",
)
def receive_message(token: str, body: CheckedLater[IncomingBody]) -> Response:
    """Start the account's rules with the trigger `incoming` with this message of at most 64 KB.

    It is signed as Standard Webhooks defines it, in the headers `webhook-id`, `webhook-timestamp` and
    `webhook-signature`, with the secret of the address. The same `webhook-id` starts rules once.
    """
    raw = request.get_data()
    if len(raw) > MOST_BYTES:
        raise TooLarge(f"A message has at most {MOST_BYTES:,} bytes; this one has {len(raw):,}.")
    to = incoming.receiver(db.session(), token)
    message_id = _signed_id(to, raw)
    _count(to)
    if not is_storable(body.sent):
        raise Invalid({"body": ["A character in it cannot be stored. Remove it."]})
    is_first = incoming.receive(db.session(), to, message_id, body.sent, datetime.now(UTC))
    return saved(report(Received(id=message_id, repeated=not is_first), 202))


def _signed_id(to: Receiver, raw: bytes) -> str:
    """The message's id. Raises Unauthorized, Malformed."""
    try:
        secret = SecretBox.of(settings()).open(to.secret_sealed)
    except Unreadable:
        raise Unauthorized("The stored secret cannot be read any more. Renew the address.") from None
    if not is_signed(secret, dict(request.headers), raw):
        count_wrong_key()
        raise Unauthorized(WRONG_SIGNATURE)
    message_id = request.headers[ID]
    if len(message_id) > LONGEST_ID or not message_id.isprintable():
        raise Malformed(f"A {ID} has at most {LONGEST_ID} printable characters.")
    return message_id


def _count(to: Receiver) -> None:
    """Raises TooManyRequests."""
    if not current_app.config.get("RATELIMIT_ENABLED", True):
        return
    spent = counts.spend(INCOMING, f"account-{to.account_id}")
    g.spent = [spent]
    if spent.is_over:
        raise TooManyRequests(INCOMING.words, retry_after=spent.seconds)
