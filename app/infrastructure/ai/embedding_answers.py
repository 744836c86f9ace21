"""Reads the vectors that a service answers for texts."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from app.business.language_model import Embeddings
from app.infrastructure.ai.answers import UnusableAnswer, describe

LONGEST = 16_384
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Vector(BaseModel):
    index: int
    embedding: Annotated[list[Number], Field(min_length=1, max_length=LONGEST)]


class _Usage(BaseModel):
    prompt_tokens: int = 0


class _Answer(BaseModel):
    data: list[_Vector]
    usage: _Usage | None = None


def read_embeddings(text: str, count: int) -> Embeddings:
    """The vectors in the order of the texts, all of one length. Raises UnusableAnswer."""
    try:
        answer = _Answer.model_validate_json(text)
    except ValidationError as error:
        raise UnusableAnswer(describe(error)) from None
    found = sorted(answer.data, key=lambda vector: vector.index)
    if [vector.index for vector in found] != list(range(count)):
        raise UnusableAnswer(f"{len(found)} vectors for {count} texts")
    if len({len(vector.embedding) for vector in found}) != 1:
        raise UnusableAnswer("vectors of different lengths")
    tokens = answer.usage.prompt_tokens if answer.usage else 0
    return Embeddings([vector.embedding for vector in found], tokens)
