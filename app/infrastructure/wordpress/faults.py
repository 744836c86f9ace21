"""Maps failed calls to WordPress to a sentence for staff and a kind of fault, which decides about retries."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2 as httpx

from app.business.language_model import FaultKind, ProviderFault
from app.infrastructure.outbound.policy import OutboundRefused
from app.infrastructure.outbound.retry_after import retry_after
from app.infrastructure.outbound.transport import AnswerTooLarge

DETAIL_LIMIT = 500
NOT_ACCEPTED = (
    "WordPress does not accept the user name or the application password. Make a new application password under "
    "Users → Profile in WordPress, and enter it on the page of the site's WordPress."
)
NOT_SIGNED_IN = (
    "WordPress does not sign us in: the user name or the application password is wrong, or it never got to see them. "
    "Make a new application password under Users → Profile in WordPress, and enter it on the page of the site's "
    "WordPress. If that does not help, the site's server removes the Authorization header, or application passwords "
    "are switched off there: ask whoever runs the site."
)
"""WordPress without plugins treats a wrong password like no password, so both cases get the same answer."""
ROLE_TOO_LOW = (
    "The WordPress user may not do this: its role is too low. Give it the role Editor in WordPress, or enter a user "
    "who has it."
)
BLOCKED = (
    "The site blocks us: a security plugin or a firewall refused the call. Have the address /wp-json/ allowed for "
    "this installation."
)
NO_REST = (
    "The site does not offer WordPress's REST interface at /wp-json/. It may be switched off by a plugin, or the "
    "permalinks are “Plain”: choose another kind under Settings → Permalinks in WordPress."
)
NOT_WORDPRESS = "No WordPress answers at this address. Enter the address of the site's front page."
AWAY = "The site could not be reached."
CHECK = "Check its address, and that it answers in a browser."
WRONG_CREDENTIALS = frozenset(
    {"incorrect_password", "invalid_username", "invalid_email", "invalid_application_password"}
)
CLOSED = ("rest_login_required", "rest_disabled", "rest_api_disabled", "rest_cannot_access")


def of_exception(error: Exception) -> ProviderFault:
    """No answer, or an unreadable one."""
    detail = f"{type(error).__name__}: {error}"[:DETAIL_LIMIT]
    match error:
        case OutboundRefused():
            return ProviderFault("misconfigured", str(error))
        case AnswerTooLarge():
            return ProviderFault("bad_answer", "The site's answer was too large to be read.", detail=detail)
        case httpx.TimeoutException() if not isinstance(error, httpx.ConnectTimeout):
            return ProviderFault("timeout", "The site did not answer in time.", detail=detail)
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            message = "The site broke off before its answer was complete."
            return ProviderFault("connection", message, detail=detail)
    why = "Its certificate is not valid." if "certificate" in detail.lower() else CHECK
    message = f"{AWAY} {why}"
    return ProviderFault("connection", message, detail=detail)


def of_answer(response: httpx.Response) -> ProviderFault:
    """An answer with an error status."""
    status, said = response.status_code, said_of(response)
    detail = f"HTTP {status}: {response.text}"[:DETAIL_LIMIT]
    if status == 429:
        wait = retry_after(response.headers.get("retry-after"))
        return ProviderFault(
            "rate_limited", "The site asks us to slow down.", detail=detail, retry_after=wait
        )
    if status >= 500 or status == 408:
        kind: FaultKind = "timeout" if status in (408, 504) else "server_error"
        wait = retry_after(response.headers.get("retry-after"))
        message = "The site has trouble at the moment."
        return ProviderFault(kind, message, detail=detail, retry_after=wait)
    return ProviderFault("misconfigured", _sentence(status, said, response), detail=detail)


def _sentence(status: int, said: Mapping[str, Any], response: httpx.Response) -> str:
    status, code = _cause(status, said)
    if 300 <= status < 400:
        return (
            f"The site redirects to {response.headers.get('location', '')[:200]}. Enter that address instead."
        )
    if code in WRONG_CREDENTIALS:
        return NOT_ACCEPTED
    if status == 401:
        return NOT_SIGNED_IN if code.startswith("rest_") else NOT_ACCEPTED
    if status == 403:
        is_role = code.startswith("rest_") and code not in CLOSED
        return ROLE_TOO_LOW if is_role else BLOCKED
    if status in (404, 405, 410):
        return NO_REST
    words = " ".join(str(said.get("message", "")).split())[:200]
    return f"WordPress did not accept it: {words or f'status {status}'}"


def _cause(status: int, said: Mapping[str, Any]) -> tuple[int, str]:
    """The cause of an error. WordPress reports a missing permission to list drafts as an invalid parameter."""
    match said:
        case {"data": {"details": {"status": {"code": str(code), "data": {"status": int(inner)}}}}}:
            return inner, code
    return status, str(said.get("code", ""))


def said_of(response: httpx.Response) -> Mapping[str, Any]:
    """WordPress's own error message; empty if the answer is not from WordPress."""
    try:
        said = json.loads(response.text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
