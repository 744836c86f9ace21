"""Tests a connection: whether it answers, and which JSON mode it supports."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from app.business.language_model import Prompt, ProviderFault
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.response_formats import MODES, Mode
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.outbound.transport import Bounds

BOUNDS = Bounds(connect=10, silence=30, total=45)
"""Somebody waits for it."""
INSTRUCTIONS = (
    "This is a test of the connection. Name two colours, `first` and `second`, one word each, in the language "
    "`language`."
)
LONGEST = 8_000
"""Characters of an answer: a model may think before it names two colours."""
MOST_TOKENS = (4_000, 2_000)
"""Sent and written in one test, generously: two models, each asked for three modes, each twice."""
MODE_WORDS: dict[Mode, str] = {
    "json_schema": "It keeps to a form that we give it (JSON schema).",
    "json_object": "It answers in JSON; the form is asked for in words.",
    "plain": "It has no mode for JSON; the form is asked for in words.",
}


class _Colours(BaseModel):
    """Without a list: small models do not find its end."""

    first: str
    second: str


@dataclass(frozen=True)
class Probe:
    """Result of a test. `tokens`: as the service counted them · `may_have_worked`: without counting."""

    ok: bool
    mode: Mode | None
    message: str
    tokens: Mapping[str, int] = field(default_factory=dict)
    may_have_worked: bool = False


def probe(endpoint: Endpoint, policy: OutboundPolicy, bounds: Bounds = BOUNDS) -> Probe:
    """Send a small request to each model, with the strictest JSON mode first. Uses at most a few hundred tokens."""
    begun, mode, tokens = time.monotonic(), MODES[0], Counter[str]()
    for model in dict.fromkeys([endpoint.model, endpoint.model_for("content")]):
        found = _form_of(replace(endpoint, model=model, article_model="", mode=mode), policy, bounds, tokens)
        if isinstance(found, ProviderFault):
            message = f"{model}: {found.message}{_hint(endpoint, found)}"
            return Probe(False, None, message, tokens, found.may_have_worked)
        mode = found
    if endpoint.embedding_model:
        try:
            tokens.update(prompt_tokens=_try_vectors(endpoint, policy, bounds))
        except ProviderFault as fault:
            message = f"{endpoint.embedding_model}: {fault.message}{_hint(endpoint, fault)}"
            return Probe(False, None, message, tokens, fault.may_have_worked)
    models = " and ".join(dict.fromkeys([endpoint.model, endpoint.model_for("content")]))
    seconds = time.monotonic() - begun
    return Probe(True, mode, f"{models} answered in {seconds:.1f} seconds. {MODE_WORDS[mode]}", tokens)


def _try_vectors(endpoint: Endpoint, policy: OutboundPolicy, bounds: Bounds) -> int:
    """Ask for the vectors of two words; returns the tokens counted. Raises ProviderFault."""
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    return OpenAICompatible(endpoint, policy, bounds).embed(["red", "blue"], "test-of-the-connection").tokens


def _form_of(
    endpoint: Endpoint, policy: OutboundPolicy, bounds: Bounds, tokens: Counter[str]
) -> Mode | ProviderFault:
    """The first mode, from the endpoint's on, that gives a usable answer; or why none does. Adds up the tokens."""
    # Imported here: the client is large, and a page's process needs it for tests of connections only.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    last: ProviderFault | None = None
    for mode in MODES[MODES.index(endpoint.mode) :]:
        model = OpenAICompatible(replace(endpoint, mode=mode), policy, bounds, LONGEST)
        try:
            answer = model.write(
                Prompt("ideas", {"language": "English"}, _Colours, INSTRUCTIONS), "test-of-the-connection"
            )
        except ProviderFault as fault:
            if fault.use:
                tokens.update(prompt_tokens=fault.use.tokens_in, completion_tokens=fault.use.tokens_out)
            if fault.kind not in ("bad_answer", "refused"):
                return fault
            last = fault
        else:
            tokens.update(answer.tokens)
            return model.mode
    assert last is not None
    return last


def _hint(endpoint: Endpoint, fault: ProviderFault) -> str:
    if fault.kind == "misconfigured" and "address" in fault.message and not endpoint.root.endswith("/v1"):
        return " Many services want /v1 at the end of the address."
    return ""
