"""Tests a connection: whether it answers, and which JSON mode it supports."""

import time
from dataclasses import dataclass, replace

from pydantic import BaseModel

from app.business.language_model import Prompt, ProviderFault
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.response_formats import MODES, Mode
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.outbound.transport import Bounds

BOUNDS = Bounds(connect=10, silence=30, total=45)
"""Somebody waits for it."""
INSTRUCTIONS = (
    "This is a test of the connection. Name three colours in the list `colours`, in the language `language`."
)
MODE_WORDS: dict[Mode, str] = {
    "json_schema": "It keeps to a form that we give it (JSON schema).",
    "json_object": "It answers in JSON; the form is asked for in words.",
    "plain": "It has no mode for JSON; the form is asked for in words.",
}


class _Colours(BaseModel):
    colours: list[str]


@dataclass(frozen=True)
class Probe:
    """Result of a test."""

    ok: bool
    mode: Mode | None
    message: str


def probe(endpoint: Endpoint, policy: OutboundPolicy, bounds: Bounds = BOUNDS) -> Probe:
    """Send a small request to each model, with the strictest JSON mode first. Uses at most a few hundred tokens."""
    begun, mode = time.monotonic(), MODES[0]
    for model in dict.fromkeys([endpoint.model, endpoint.model_for("content")]):
        found = _form_of(replace(endpoint, model=model, article_model="", mode=mode), policy, bounds)
        if isinstance(found, ProviderFault):
            return Probe(False, None, f"{model}: {found.message}{_hint(endpoint, found)}")
        mode = found
    models = " and ".join(dict.fromkeys([endpoint.model, endpoint.model_for("content")]))
    seconds = time.monotonic() - begun
    return Probe(True, mode, f"{models} answered in {seconds:.1f} seconds. {MODE_WORDS[mode]}")


def _form_of(endpoint: Endpoint, policy: OutboundPolicy, bounds: Bounds) -> Mode | ProviderFault:
    """The first mode, from the endpoint's on, that gives a usable answer; or why none does."""
    # Imported here: the client is large, and a page's process needs it for tests of connections only.
    from app.infrastructure.ai.openai_compatible import OpenAICompatible

    last: ProviderFault | None = None
    for mode in MODES[MODES.index(endpoint.mode) :]:
        model = OpenAICompatible(replace(endpoint, mode=mode), policy, bounds)
        try:
            model.write(
                Prompt("ideas", {"language": "English"}, _Colours, INSTRUCTIONS), "test-of-the-connection"
            )
        except ProviderFault as fault:
            if fault.kind not in ("bad_answer", "refused"):
                return fault
            last = fault
        else:
            return model.mode
    assert last is not None
    return last


def _hint(endpoint: Endpoint, fault: ProviderFault) -> str:
    if fault.kind == "misconfigured" and "address" in fault.message and not endpoint.root.endswith("/v1"):
        return " Many services want /v1 at the end of the address."
    return ""
