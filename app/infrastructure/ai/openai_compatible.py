"""Client of AI services with OpenAI's chat API: one prompt, one JSON answer; every failure is a ProviderFault."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import openai
from pydantic import BaseModel

from app.business.language_model import (
    Completion,
    Embeddings,
    ModelConnection,
    ModelUse,
    Prompt,
    ProviderFault,
)
from app.infrastructure.ai.answers import UnusableAnswer, read_answer
from app.infrastructure.ai.embedding_answers import read_embeddings
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.provider_faults import FaultReader
from app.infrastructure.ai.replies import LONGEST, Reply, StreamError, read_stream, read_whole
from app.infrastructure.ai.response_formats import next_mode, response_format
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import MEGABYTE, AnswerTooLarge, Bounds, outbound_client

BOUNDS = Bounds(silence=60, total=1_500, size=8 * MEGABYTE)
"""A model may write for long, as long as it writes."""
TEXTS_AT_ONCE = 64
"""Texts in one call for vectors: what comes back stays within the bounds of an answer."""
MOST_RESTS = 3
"""How often the rest of one answer is requested."""
GO_ON = (
    "The answer was cut off here. Continue it exactly where it stops, from the next character on. Repeat nothing and "
    "remark nothing."
)
_ABOUT_FORMATS = ("response_format", "json_schema", "json_object", "grammar")


class OpenAICompatible:
    """A LanguageModel over HTTP. It never repeats a failed call by itself: the run decides that.

    Options that the service does not support (a JSON mode, `stream_options`) are refused before it does any work; the
    request is repeated without them, and the object remembers that.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        policy: OutboundPolicy,
        bounds: Bounds | None = None,
        longest: int = LONGEST,
    ) -> None:
        bounds = bounds or BOUNDS
        self.endpoint, self.mode, self._faults = endpoint, endpoint.mode, FaultReader(endpoint)
        self.longest = longest
        self._stream: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        self._client = openai.OpenAI(
            base_url=endpoint.root,
            # The client requires some key; servers without one ignore it.
            api_key=endpoint.api_key or "none",
            default_query=endpoint.query,
            max_retries=0,
            timeout=bounds.timeout,
            http_client=outbound_client(policy, bounds),
        )

    def write(self, prompt: Prompt, key: str) -> Completion:
        """The answer, validated against `prompt.answer`; an invalid one is requested once more.

        Raises ProviderFault.
        """
        tokens = Counter[str]()
        try:
            return self._ask_twice(prompt, key, tokens)
        except ProviderFault as fault:
            if tokens:
                fault.use = ModelUse.of(prompt, self.endpoint.model_for(prompt.kind), tokens)
            raise

    def embed(self, texts: list[str], key: str, connection: ModelConnection | None = None) -> Embeddings:
        """Vectors of the texts, several texts a call. Raises ProviderFault; `connection`: by which it is priced."""
        found = Embeddings([])
        try:
            for number, start in enumerate(range(0, len(texts), TEXTS_AT_ONCE), 1):
                part = self._embed_once(texts[start : start + TEXTS_AT_ONCE], f"{key}-e{number}")
                found = Embeddings(found.vectors + part.vectors, found.tokens + part.tokens)
        except ProviderFault as fault:
            if found.tokens and connection:
                cost = connection.cost(found.tokens, 0)
                fault.use = ModelUse(self.endpoint.embedding_model, "", found.tokens, 0, cost)
            raise
        return found

    def _embed_once(self, texts: list[str], key: str) -> Embeddings:
        # Numbers, because not every service packs them as the client asks for by default.
        body = {"model": self.endpoint.embedding_model, "input": texts, "encoding_format": "float"}
        headers = {"Idempotency-Key": key, "Accept-Encoding": "identity", **_key_headers(self.endpoint)}
        create: Any = self._client.embeddings.with_streaming_response.create
        with self._faults_named(), create(**body, extra_headers=headers) as response:
            sent = response.text()
        try:
            return read_embeddings(sent, len(texts))
        except UnusableAnswer as error:
            message = "The AI service sent vectors that cannot be used."
            raise ProviderFault("bad_answer", message, detail=self._faults.safe(str(error))) from None

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except openai.APIStatusError as error:
            raise self._faults.of_status(error) from None
        except AnswerTooLarge:
            message = "The AI service sent far more than was asked for."
            raise ProviderFault("bad_answer", message) from None
        except OutboundRefused as refusal:
            raise ProviderFault("misconfigured", str(refusal)) from None
        except StreamError as error:
            raise self._faults.of_stream(str(error)) from None
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            raise self._faults.of_connection(error) from None

    def _ask_twice(self, prompt: Prompt, key: str, tokens: Counter[str]) -> Completion:
        messages = _messages(prompt)
        try:
            return self._ask(prompt, messages, key, tokens)
        except _Misfit as misfit:
            messages = [*messages, *misfit.correction]
        try:
            return self._ask(prompt, messages, f"{key}-again", tokens)
        except _Misfit as misfit:
            message = "The AI service sent an answer that cannot be used, twice."
            raise ProviderFault("bad_answer", message, detail=self._faults.safe(misfit.reason)) from None

    def _ask(
        self, prompt: Prompt, messages: list[dict[str, str]], key: str, tokens: Counter[str]
    ) -> Completion:
        try:
            reply = self._send_to_its_end(prompt, messages, key, tokens)
        except UnusableAnswer as error:
            raise _Misfit("", str(error)) from None
        if reply.refusal or reply.finish_reason == "content_filter":
            detail = self._faults.safe(reply.refusal or "content_filter")
            raise ProviderFault("refused", "The AI service declined to write this.", detail=detail)
        try:
            data = read_answer(reply.content, prompt.answer)
        except UnusableAnswer as error:
            if not reply.is_whole:
                raise self._faults.cut_off("the stream ended without its end") from None
            is_long = reply.finish_reason == "length"
            reason = "the answer was cut off; make it shorter" if is_long else str(error)
            raise _Misfit(reply.content, reason) from None
        model = reply.model or self.endpoint.model_for(prompt.kind)
        return Completion(data=data, model=model, tokens=dict(tokens))

    def _send_to_its_end(
        self, prompt: Prompt, messages: list[dict[str, str]], key: str, tokens: Counter[str]
    ) -> Reply:
        """The answer; where it was cut off, its rest is requested, not the whole."""
        reply = self._send(prompt, messages, key, prompt.answer)
        tokens.update(reply.tokens)
        for number in range(1, MOST_RESTS + 1):
            if not _is_cut(prompt, reply):
                break
            said = [{"role": "assistant", "content": reply.content}, {"role": "user", "content": GO_ON}]
            # In its JSON mode a service would begin a new object.
            rest = self._send(prompt, [*messages, *said], f"{key}-rest{number}", None)
            tokens.update(rest.tokens)
            reply = reply.followed_by(rest)
        return reply

    def _send(
        self, prompt: Prompt, messages: list[dict[str, str]], key: str, answer: type[BaseModel] | None
    ) -> Reply:
        while True:
            body = {
                "model": self.endpoint.model_for(prompt.kind),
                "messages": messages,
                **response_format(self.mode, answer),
                **self._stream,
            }
            with self._faults_named():
                try:
                    return self._exchange(body, key)
                except openai.APIStatusError as error:
                    if not self._ask_for_less(error):
                        raise

    def _exchange(self, body: dict[str, Any], key: str) -> Reply:
        headers = {"Idempotency-Key": key, "Accept-Encoding": "identity", **_key_headers(self.endpoint)}
        create: Any = self._client.chat.completions.with_streaming_response.create
        with create(**body, extra_headers=headers) as response:
            # Services without streaming answer in one piece.
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                return read_stream(response.iter_lines(), self.longest)
            return read_whole(response.text())

    def _ask_for_less(self, error: openai.APIStatusError) -> bool:
        """Whether the service refuses an optional parameter, which is left out from now on."""
        complaint = error.response.text.lower()
        if "stream_options" in complaint and "stream_options" in self._stream:
            self._stream = {"stream": True}
            return True
        lesser = next_mode(self.mode)
        # Some servers fail on a schema they cannot compile instead of refusing it.
        if (
            lesser
            and error.status_code in (400, 422, 500)
            and any(mark in complaint for mark in _ABOUT_FORMATS)
        ):
            self.mode = lesser
            return True
        return False


class _Misfit(Exception):
    """An answer that fails validation, and the messages that ask again."""

    def __init__(self, content: str, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        again = f"This answer cannot be used: {reason}. Send the whole answer again, corrected."
        self.correction = [
            {"role": "assistant", "content": content[:4_000]},
            {"role": "user", "content": again},
        ]


def _key_headers(endpoint: Endpoint) -> dict[str, Any]:
    """Headers for services that expect the key in another header."""
    return (
        {"api-key": endpoint.api_key, "Authorization": openai.Omit()} if endpoint.is_azure_deployment else {}
    )


def _is_cut(prompt: Prompt, reply: Reply) -> bool:
    """Whether the answer has begun and has no end."""
    if not reply.content.strip() or reply.refusal:
        return False
    if prompt.answer is None:
        return reply.finish_reason == "length" or not reply.is_whole
    return reply.finish_reason == "length" and not _is_readable(prompt, reply)


def _is_readable(prompt: Prompt, reply: Reply) -> bool:
    try:
        read_answer(reply.content, prompt.answer)
    except UnusableAnswer:
        return False
    return True


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    facts = json.dumps(prompt.facts, ensure_ascii=False)
    if prompt.answer is None:
        return [{"role": "system", "content": prompt.instructions}, {"role": "user", "content": facts}]
    schema = json.dumps(prompt.answer.model_json_schema(), ensure_ascii=False)
    system = f"{prompt.instructions}\n\nAnswer with one JSON object that fits this JSON Schema:\n{schema}"
    return [{"role": "system", "content": system}, {"role": "user", "content": facts}]
