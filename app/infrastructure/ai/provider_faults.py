"""Maps failed calls to AI services to a sentence for staff and a kind of fault for the engine."""

from collections.abc import Mapping

import httpx2 as httpx
import openai

from app.business.language_model import FaultKind, ProviderFault
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.outbound.retry_after import retry_after

DETAIL_LIMIT = 500
_NOT_ACCEPTED = "The AI service did not accept the request."
_TOO_LARGE = "The request was too large for the AI service. Use fewer keywords or words."
_FINAL_STATUS: Mapping[int, tuple[FaultKind, str]] = {
    401: ("misconfigured", "The AI service does not accept our key. {key}"),
    403: ("misconfigured", "The AI service does not allow our key to do this. {key}"),
    404: ("misconfigured", "The AI service does not know this address or model. {address}"),
    413: ("too_large", _TOO_LARGE),
}
_PASSING_STATUS: Mapping[int, FaultKind] = {408: "timeout", 409: "server_error", 425: "server_error"}
_CONTEXT_EXCEEDED = ("context_length_exceeded", "context length", "context size", "context window")


class FaultReader:
    """Describes faults of one endpoint, with its API key redacted."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def of_status(self, error: openai.APIStatusError) -> ProviderFault:
        """An answer whose status is an error."""
        status, text = error.status_code, error.response.text
        detail = self.safe(f"HTTP {status}: {text}")
        if status == 429 and error.code == "insufficient_quota":
            return ProviderFault("refused", "The credit at the AI service is used up.", detail=detail)
        wait = retry_after(error.response.headers.get("retry-after"))
        if status == 429:
            message = "The AI service asks us to slow down."
            return ProviderFault("rate_limited", message, detail=detail, retry_after=wait)
        if status >= 500 or status in _PASSING_STATUS:
            kind = _PASSING_STATUS.get(status, "server_error")
            message = "The AI service has trouble at the moment."
            return ProviderFault(kind, message, detail=detail, retry_after=wait)
        if status == 400 and any(mark in text.lower() for mark in _CONTEXT_EXCEEDED):
            return ProviderFault("too_large", _TOO_LARGE, detail=detail)
        kind, message = _FINAL_STATUS.get(status, ("refused", _NOT_ACCEPTED))
        places = {"key": self.endpoint.key_setting, "address": self.endpoint.address_setting}
        return ProviderFault(kind, message.format_map(places), detail=detail)

    def of_connection(self, error: Exception) -> ProviderFault:
        """No answer, or not the whole of it."""
        cause = error.__cause__ if isinstance(error, openai.APIError) and error.__cause__ else error
        detail = self.safe(f"{type(cause).__name__}: {cause}")
        if isinstance(cause, httpx.TimeoutException) and not isinstance(cause, httpx.ConnectTimeout):
            return ProviderFault("timeout", "The AI service did not answer in time.", detail=detail)
        if isinstance(cause, httpx.RemoteProtocolError | httpx.ReadError):
            return self.cut_off(detail)
        return ProviderFault("connection", "The AI service could not be reached.", detail=detail)

    def cut_off(self, detail: str) -> ProviderFault:
        """The answer has a beginning and no end."""
        message = "The AI service broke off in the middle of its answer."
        return _begun(ProviderFault("connection", message, detail=self.safe(detail)))

    def of_stream(self, reported: str) -> ProviderFault:
        """An error that the service reports after it has begun to answer."""
        message = "The AI service had trouble in the middle of its answer."
        return _begun(ProviderFault("server_error", message, detail=self.safe(reported)))

    def safe(self, text: str) -> str:
        """`text` for engineers: short, without our API key."""
        secret = self.endpoint.api_key
        hidden = text.replace(secret, "***") if secret else text
        return hidden[:DETAIL_LIMIT]


def _begun(fault: ProviderFault) -> ProviderFault:
    fault.has_begun = True
    return fault
