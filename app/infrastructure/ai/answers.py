"""Extracts the JSON object from a model's text: after reasoning, between remarks, with raw line breaks in strings."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from app.business.plain_characters import without_faults

_THOUGHTS = re.compile(
    # Some servers leave out the opening mark, which their template has put into the prompt.
    r"\A\s*(?:<(?:think|thinking|thought|reasoning)>)?.*?</(?:think|thinking|thought|reasoning)>",
    re.DOTALL | re.IGNORECASE,
)
_FENCE = re.compile(r"```(?:markdown|md)?[ \t]*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)
_STARTS_TRIED = 200
# Not strict: models break lines within a text without escaping them.
_DECODER = json.JSONDecoder(strict=False)


class UnusableAnswer(Exception):
    """No JSON object of the asked form in it; the message says what is wrong, for the model to correct."""


def read_answer(text: str, answer: type[BaseModel] | None) -> dict[str, Any]:
    """The first JSON object in `text` that fits `answer`; without one, the text itself. Raises UnusableAnswer."""
    if answer is None:
        return {"text": _plain_text(text)}
    problem: str | None = None
    for found in _objects(text):
        try:
            return answer.model_validate(found).model_dump()
        except ValidationError as error:
            problem = problem or describe(error)
    raise UnusableAnswer(problem or "there is no complete JSON object in it")


def _plain_text(text: str) -> str:
    """What is said in it, without thoughts and without a fence around the whole."""
    spoken = _THOUGHTS.sub("", text, count=1).strip()
    fenced = _FENCE.fullmatch(spoken)
    spoken = without_faults((fenced[1] if fenced else spoken).strip())
    if not spoken or spoken.lower().startswith(("<think>", "<thinking>")):
        raise UnusableAnswer("there is no text in it")
    return spoken


def describe(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    problem = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Objects in the text, outer and first ones first; those in its reasoning last."""
    spoken = _THOUGHTS.sub("", text, count=1)
    for part in (spoken, text) if spoken != text else (text,):
        position, tries = part.find("{"), 0
        while position >= 0 and tries < _STARTS_TRIED:
            tries += 1
            try:
                found, end = _DECODER.raw_decode(part, position)
            except (ValueError, RecursionError):
                end = position + 1
            else:
                yield found
            position = part.find("{", end)
