"""A chat completion as it comes in: streamed as server-sent events, or whole as JSON."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.infrastructure.ai.answers import UnusableAnswer, describe
from app.infrastructure.outbound.transport import AnswerTooLarge

LONGEST = 60_000
"""Characters of one answer, thoughts included. Small models do not always find an end; who reads no further closes the
connection, and the service writes no further."""
_FEWEST_REPEATED, _MOST_REPEATED = 12, 300


@dataclass
class Reply:
    """What a model said. `is_whole`: whether it says itself that it has come to an end."""

    content: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    is_whole: bool = False

    def followed_by(self, rest: "Reply") -> "Reply":
        """Both as one answer. Models like to repeat the last words before they go on."""
        longest = min(len(self.content), len(rest.content), _MOST_REPEATED)
        sizes = range(longest, _FEWEST_REPEATED - 1, -1)
        repeated = next((size for size in sizes if self.content.endswith(rest.content[:size])), 0)
        return replace(rest, content=self.content + rest.content[repeated:], model=rest.model or self.model)


class StreamError(Exception):
    """The service reports an error in the middle of its stream; the message is the service's own."""


class _Text(BaseModel):
    """What a message or a piece of one says; how the model came to it (`reasoning_content`) is left aside."""

    model_config = ConfigDict(extra="ignore")

    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: _Text | None = None
    delta: _Text | None = None
    finish_reason: str | None = None


class _Completion(BaseModel):
    """The fields of a chat completion, or of one chunk of it, that we use."""

    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice]
    model: str | None = None
    usage: dict[str, Any] | None = None


def read_whole(text: str) -> Reply:
    """A completion that came in one piece. Raises UnusableAnswer."""
    reply = Reply(is_whole=True)
    _add(reply, text)
    return reply


def read_stream(lines: Iterable[str], longest: int = LONGEST) -> Reply:
    """A completion from the lines of its stream. Raises UnusableAnswer, StreamError and, beyond `longest` characters,
    AnswerTooLarge.
    """
    reply = Reply()
    for data in _events(lines):
        if data == "[DONE]":
            reply.is_whole = True
            break
        _add(reply, data, streamed=True)
        if len(reply.content) > longest:
            raise AnswerTooLarge
    reply.is_whole = reply.is_whole or reply.finish_reason is not None
    return reply


def _add(reply: Reply, text: str, *, streamed: bool = False) -> None:
    try:
        found = _Completion.model_validate_json(text)
    except ValidationError as error:
        if streamed:
            _raise_error_in(text)
        raise UnusableAnswer(f"not a chat completion ({describe(error)})") from None
    if not found.choices and not streamed:
        raise UnusableAnswer("the completion holds no choice")
    reply.model = found.model or reply.model
    if found.usage:
        reply.tokens = {name: count for name, count in found.usage.items() if type(count) is int}
    # Chunks without a choice carry usage, or what a filter found in the prompt.
    for choice in found.choices[:1]:
        said = choice.delta or choice.message or _Text()
        reply.content += said.content or ""
        reply.refusal += said.refusal or ""
        reply.finish_reason = choice.finish_reason or reply.finish_reason


def _raise_error_in(text: str) -> None:
    try:
        found = json.loads(text)
    except ValueError:
        return
    if isinstance(found, dict) and "error" in found:
        error = found["error"]
        raise StreamError(str(error.get("message", error)) if isinstance(error, dict) else str(error))


def _events(lines: Iterable[str]) -> Iterator[str]:
    """The data of each server-sent event; comments, which keep a connection alive, are none."""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)
