"""Any AI provider that implements OpenAI's chat protocol: one question, one JSON answer, faults named plainly."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2 as httpx
import openai
from pydantic import BaseModel, ConfigDict, ValidationError

from app.business.language_model import Completion, FaultKind, Prompt, ProviderFault
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import MEGABYTE, AnswerTooLarge, Bounds, outbound_client

READ_SECONDS = 60
ANSWER_SIZE = 8 * MEGABYTE
LONGEST_RETRY_AFTER = 3_600
DETAIL_LIMIT = 500

_FINAL_STATUS: Mapping[int, tuple[FaultKind, str]] = {
    400: ("refused", "The AI service did not accept the request."),
    401: ("misconfigured", "The AI service does not accept our key. An administrator must check AI_API_KEY."),
    403: (
        "misconfigured",
        "The AI service does not allow our key to do this. An administrator must check it.",
    ),
    404: (
        "misconfigured",
        "The AI service does not know this address or model. Check AI_BASE_URL and AI_MODEL.",
    ),
    413: ("too_large", "The request was too large for the AI service. Use fewer keywords or words."),
    422: ("refused", "The AI service did not accept the request."),
}
_PASSING_STATUS: Mapping[int, FaultKind] = {408: "timeout", 409: "server_error", 425: "server_error"}


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    """The fields of a chat completion that we use."""

    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice]
    model: str = ""
    usage: dict[str, Any] | None = None


class OpenAICompatible:
    """A LanguageModel over HTTP. It never repeats a failed call by itself: the run decides that."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        policy: OutboundPolicy,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._secret, self._model = api_key, model
        bounds = Bounds(silence=read_seconds, total=2 * read_seconds, size=ANSWER_SIZE)
        self._client = openai.OpenAI(
            base_url=base_url,
            # The client requires some key; servers without one ignore it.
            api_key=api_key or "none",
            max_retries=0,
            timeout=bounds.timeout,
            http_client=outbound_client(policy, bounds),
        )

    def write(self, prompt: Prompt, key: str) -> Completion:
        """The answer, validated against `prompt.answer`; an invalid one is requested once more.

        Raises ProviderFault.
        """
        messages = _messages(prompt)
        try:
            return self._ask(prompt, messages, key)
        except _Misfit as misfit:
            messages = [*messages, *misfit.correction]
        try:
            return self._ask(prompt, messages, f"{key}-again")
        except _Misfit as misfit:
            message = "The AI service sent an answer that cannot be used, twice."
            raise ProviderFault("bad_answer", message, detail=self._safe(misfit.reason)) from None

    def _ask(self, prompt: Prompt, messages: list[dict[str, str]], key: str) -> Completion:
        reply = _parse_reply(self._send(messages, key))
        choice = reply.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            detail = self._safe(choice.message.refusal or "content_filter")
            raise ProviderFault("refused", "The AI service declined to write this.", detail=detail)
        if choice.finish_reason == "length":
            raise _Misfit(choice.message.content or "", "the answer was cut off; make it shorter")
        data = _parse_answer(choice.message.content or "", prompt.answer)
        tokens = {name: count for name, count in (reply.usage or {}).items() if type(count) is int}
        return Completion(data=data, model=reply.model or self._model, tokens=tokens)

    def _send(self, messages: list[dict[str, str]], key: str) -> str:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "response_format": {"type": "json_object"},
        }
        headers = {"Idempotency-Key": key, "Accept-Encoding": "identity"}
        try:
            raw = self._client.chat.completions.with_raw_response.create(**body, extra_headers=headers)
            return raw.text
        except openai.APIStatusError as error:
            raise self._status_fault(error) from None
        except AnswerTooLarge:
            raise ProviderFault("bad_answer", "The AI service sent far more than was asked for.") from None
        except OutboundRefused as refusal:
            raise ProviderFault("misconfigured", str(refusal)) from None
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            raise self._connection_fault(error) from None

    def _status_fault(self, error: openai.APIStatusError) -> ProviderFault:
        status, detail = error.status_code, self._safe(f"HTTP {error.status_code}: {error.response.text}")
        if status == 429 and error.code != "insufficient_quota":
            message = "The AI service asks us to slow down."
            wait = retry_after(error.response.headers.get("retry-after"))
            return ProviderFault("rate_limited", message, detail=detail, retry_after=wait)
        if status == 429:
            return ProviderFault("refused", "The credit at the AI service is used up.", detail=detail)
        if status >= 500 or status in _PASSING_STATUS:
            kind = _PASSING_STATUS.get(status, "server_error")
            wait = retry_after(error.response.headers.get("retry-after"))
            message = "The AI service has trouble at the moment."
            return ProviderFault(kind, message, detail=detail, retry_after=wait)
        kind, message = _FINAL_STATUS.get(status, ("refused", "The AI service did not accept the request."))
        return ProviderFault(kind, message, detail=detail)

    def _connection_fault(self, error: Exception) -> ProviderFault:
        cause = error.__cause__ or error
        detail = self._safe(f"{type(cause).__name__}: {cause}")
        late = isinstance(cause, httpx.TimeoutException) and not isinstance(cause, httpx.ConnectTimeout)
        if late:
            return ProviderFault("timeout", "The AI service did not answer in time.", detail=detail)
        return ProviderFault("connection", "The AI service could not be reached.", detail=detail)

    def _safe(self, text: str) -> str:
        """`text` for engineers: short, without our API key."""
        hidden = text.replace(self._secret, "***") if self._secret else text
        return hidden[:DETAIL_LIMIT]


class _Misfit(Exception):
    """An answer that fails validation, and the messages that ask again."""

    def __init__(self, content: str, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        again = f"This answer cannot be used: {reason}. Send the whole JSON object again, corrected."
        self.correction = [
            {"role": "assistant", "content": content[:4_000]},
            {"role": "user", "content": again},
        ]


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or a date), at most an hour; None when there is none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    schema = json.dumps(prompt.answer.model_json_schema(), ensure_ascii=False)
    system = f"{prompt.instructions}\n\nAnswer with one JSON object that fits this JSON Schema:\n{schema}"
    facts = json.dumps(prompt.facts, ensure_ascii=False)
    return [{"role": "system", "content": system}, {"role": "user", "content": facts}]


def _parse_reply(text: str) -> _Reply:
    try:
        reply = _Reply.model_validate_json(text)
    except ValidationError as error:
        raise _Misfit("", f"not a chat completion ({_first(error)})") from None
    if not reply.choices:
        raise _Misfit("", "the completion holds no choice")
    return reply


def _parse_answer(content: str, answer: type[BaseModel]) -> dict[str, Any]:
    text = content.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return answer.model_validate_json(text).model_dump()
    except ValidationError as error:
        raise _Misfit(content, _first(error)) from None


def _first(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
