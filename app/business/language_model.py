"""What business asks of an AI provider: a prompt in; text, tokens and cost out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel

FaultKind = Literal[
    "over_limit",
    "timeout",
    "connection",
    "rate_limited",
    "server_error",
    "refused",
    "bad_answer",
    "too_large",
    "unfit",
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
    embedding_model: str
    mode: str | None
    price_in: int | None
    price_out: int | None
    monthly_limit: int | None

    def cost(self, tokens_in: int, tokens_out: int) -> int | None:
        """Millionths, rounded up; None where the prices are not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return -(-(tokens_in * self.price_in + tokens_out * self.price_out) // 1_000_000)


PromptFacts = Mapping[str, Any]
"""What a text is made from, ready for JSON. Any: each kind of text has facts of its own, in layers."""


@dataclass(frozen=True)
class Prompt:
    """One request: the kind of text, the plain facts it is made from, and the shape of the answer.

    `facts` is data (imported texts included), never instructions. `answer` is the schema of what comes back; None for
    plain text, which is the completion's `text`.
    `connection`: the account's own service; None for that of the installation. `version`: of the instructions.
    `background`: what the offline provider needs beyond `facts`; never sent to a service.
    """

    kind: Literal["ideas", "content", "rule"]
    facts: PromptFacts
    answer: type[BaseModel] | None
    instructions: str
    connection: ModelConnection | None = None
    version: str = ""
    background: PromptFacts = field(default_factory=dict)


@dataclass(frozen=True)
class ModelUse:
    """What was asked of which model for one piece of work. `cost`: millionths; None where prices are not known."""

    model: str
    prompt_version: str
    tokens_in: int
    tokens_out: int
    cost: int | None

    @classmethod
    def of(cls, prompt: Prompt, model: str, tokens: Mapping[str, int]) -> Self:
        """From the tokens as the provider counted them; nothing counted has no known cost."""
        sent, written = tokens.get("prompt_tokens", 0), tokens.get("completion_tokens", 0)
        cost = prompt.connection.cost(sent, written) if prompt.connection and tokens else None
        return cls(model, prompt.version, sent, written, cost)


@dataclass(frozen=True)
class Completion:
    """A provider's answer: `data` fits the prompt's answer model; tokens as the provider counted them."""

    data: dict[str, Any]
    model: str
    offline: bool = False
    tokens: dict[str, int] = field(default_factory=dict)

    def use(self, prompt: Prompt) -> ModelUse | None:
        """What it took; None where no model was asked."""
        return None if self.offline else ModelUse.of(prompt, self.model, self.tokens)


class ProviderFault(Exception):
    """The provider did not deliver. `message` is a plain sentence; `detail` is for engineers, without secrets."""

    def __init__(
        self, kind: FaultKind, message: str, *, detail: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.detail, self.retry_after = kind, message, detail, retry_after
        self.use: ModelUse | None = None
        """What the service counted before it failed."""
        self.has_begun = False
        """Whether an answer had begun to come in."""

    @property
    def may_have_worked(self) -> bool:
        """Whether the service may charge for it, though nothing came of it."""
        return self.has_begun or self.kind in ("timeout", "bad_answer")

    @property
    def is_passing(self) -> bool:
        """Whether retrying later can help."""
        return self.kind in PASSING


@dataclass(frozen=True)
class Embeddings:
    """Vectors of texts, in their order; tokens as the service counted them."""

    vectors: list[list[float]]
    tokens: int = 0


@runtime_checkable
class Embedder(Protocol):
    """A provider of vectors."""

    def embed(self, texts: list[str], connection: ModelConnection, key: str) -> Embeddings:
        """By the connection's model for that. Raises ProviderFault."""
        ...


@runtime_checkable
class LocalModel(Protocol):
    """A provider that may answer in this process: the same prompt always has the same answer then."""

    @property
    def is_local(self) -> bool:
        """Whether it does so for accounts without a connection of their own."""
        ...


class LanguageModel(Protocol):
    """A provider of texts. A provider that honours keys works once for each `key`."""

    def write(self, prompt: Prompt, key: str) -> Completion:
        """Raises ProviderFault."""
        ...


def answers_locally(model: LanguageModel) -> bool:
    """Whether accounts without a connection of their own get answers that no service was asked for."""
    return isinstance(model, LocalModel) and model.is_local
