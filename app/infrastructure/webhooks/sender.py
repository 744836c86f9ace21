"""One attempt to post a message to a webhook. Every failure becomes a sentence for the webhook's owner."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2 as httpx

from app.business.outlets.services.deliveries import ANSWER_KEPT, AttemptResult, ClaimedDelivery
from app.business.plain_characters import without_faults
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import AnswerTooLarge, Bounds, outbound_client
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.infrastructure.webhooks.signature import signed_headers

BOUNDS = Bounds(connect=10, silence=30, total=60)
SENT_AS = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "IGNY8-Automation"}
UNREADABLE = "Its stored secret cannot be read any more. Renew the secret on the page Webhooks."
FAULTS: Mapping[type[Exception], str] = {
    AnswerTooLarge: "Its answer is compressed, although the request asks for plain text.",
    httpx.ConnectTimeout: "It could not be reached in time.",
    httpx.TimeoutException: "It did not answer in time.",
    httpx.TransportError: "It broke off the connection.",
    httpx.InvalidURL: "This is not a web address.",
}
STATUS_WORDS: Mapping[int, str] = {
    401: "It wants somebody to sign in: its address should take messages without a password.",
    403: "It does not let us in.",
    404: "It does not know this address.",
    405: "It takes no POST at this address.",
    410: "It is gone for good.",
    413: "The message is too large for it.",
    429: "It asks us to slow down.",
}


def send(sending: ClaimedDelivery, box: SecretBox, policy: OutboundPolicy, now: datetime) -> AttemptResult:
    """Post the message under the outbound policy."""
    try:
        secrets = [box.open(sealed) for sealed in sending.sealed]
    except Unreadable:
        return AttemptResult(None, UNREADABLE)
    headers = signed_headers(secrets, sending.message_id, now, sending.body)
    begun = time.monotonic()
    try:
        answer = _post(sending.url, headers, sending.body.encode(), policy)
    except Exception as error:
        sentence = fault_sentence(error)
        if sentence is None:
            raise
        answer = AttemptResult(None, sentence)
    return AttemptResult(
        answer.status,
        answer.message,
        answer.text,
        time.monotonic() - begun,
        headers,
        answer.retry_after,
    )


def fault_sentence(error: Exception) -> str | None:
    """Why there was no answer, as a sentence; None for an error of our own."""
    if isinstance(error, OutboundRefused):
        return str(error)
    if isinstance(error, httpx.ConnectError):
        return f"It could not be reached: {without_faults(str(error))[:200]}"
    return next((sentence for kind, sentence in FAULTS.items() if isinstance(error, kind)), None)


def _post(url: str, headers: Mapping[str, str], body: bytes, policy: OutboundPolicy) -> AttemptResult:
    with (
        outbound_client(policy, BOUNDS) as client,
        client.stream("POST", url, content=body, headers={**SENT_AS, **headers}) as response,
    ):
        text = _beginning(response)
        status = response.status_code
        return AttemptResult(
            status,
            _words(status),
            without_faults(text.decode("utf-8", "replace")),
            retry_after=retry_after(response.headers.get("retry-after")),
        )


def _beginning(response: httpx.Response) -> bytes:
    """The first part of the body: only the status matters, so the rest is not awaited."""
    text = b""
    try:
        for chunk in response.iter_raw():
            text += chunk
            if len(text) >= 4 * ANSWER_KEPT:
                break
    except (httpx.TransportError, AnswerTooLarge):
        return text
    return text


def retry_after(value: str | None) -> timedelta | None:
    """The pause that a Retry-After header asks for, in seconds or until a date."""
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return timedelta(seconds=int(value))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(timedelta(), (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC))


def _words(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}, a redirect. Enter its final address."
    trouble = "It has trouble at the moment." if status >= 500 else "It did not take the message."
    return f"It answered {status}. {STATUS_WORDS.get(status, trouble)}"
