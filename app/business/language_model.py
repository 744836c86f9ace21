"""What business asks of an AI provider: a prompt in; text, tokens and cost out."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

FaultKind = Literal[
    "timeout",
    "connection",
    "rate_limited",
    "server_error",
    "refused",
    "bad_answer",
    "too_large",
    "misconfigured",
]
PASSING: frozenset[FaultKind] = frozenset({"timeout", "connection", "rate_limited", "server_error"})
"""Faults that may pass until the next try; all others need a person."""


@dataclass(frozen=True)
class ModelConnection:
    """An account's own service. The key is sealed; prices are millionths for a million tokens."""

    id: int
    version: int
    base_url: str
    api_key_sealed: str = field(repr=False)
    model: str
    article_model: str
    mode: str | None
    price_in: int | None
    price_out: int | None
    monthly_limit: int | None


@dataclass(frozen=True)
class Prompt:
    """One request: the kind of text, the plain facts it is made from, and the shape of the answer.

    `facts` is data (imported texts included), never instructions. `answer` is the schema of what comes back.
    `connection`: the account's own service; None for that of the installation.
    """

    kind: Literal["ideas", "content"]
    facts: dict[str, Any]
    answer: type[BaseModel]
    instructions: str
    connection: ModelConnection | None = None


@dataclass(frozen=True)
class Completion:
    """A provider's answer: `data` fits the prompt's answer model; tokens as the provider counted them."""

    data: dict[str, Any]
    model: str
    offline: bool = False
    tokens: dict[str, int] = field(default_factory=dict)


class ProviderFault(Exception):
    """The provider did not deliver. `message` is a plain sentence; `detail` is for engineers, without secrets."""

    def __init__(
        self, kind: FaultKind, message: str, *, detail: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.detail, self.retry_after = kind, message, detail, retry_after

    @property
    def is_passing(self) -> bool:
        """Whether retrying later can help."""
        return self.kind in PASSING


class LanguageModel(Protocol):
    """A provider of texts. A provider that honours keys works once for each `key`."""

    def write(self, prompt: Prompt, key: str) -> Completion:
        """Raises ProviderFault."""
        ...
