"""Vectors by an AI service: texts go out in parts and come back in order; what cannot be used is refused in words."""

from collections.abc import Callable

import pytest

from app.business.language_model import ProviderFault
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.openai_compatible import TEXTS_AT_ONCE, OpenAICompatible
from app.infrastructure.outbound.policy import OutboundPolicy
from app.settings import Settings
from tests.infrastructure.chat_server import Handler, answers, hangs_up, serving, vectors


def service(url: str, *, allowed: bool = True) -> OpenAICompatible:
    policy = OutboundPolicy.of(Settings(), *([url] if allowed else []))
    return OpenAICompatible(Endpoint(url, "key", "m", embedding_model="vectors"), policy)


@pytest.mark.parametrize("usage", [True, False])
def test_texts_go_out_in_parts_and_their_vectors_come_back_in_order(usage: bool) -> None:
    texts = [f"{chr(97 + number % 8)} {number}" for number in range(TEXTS_AT_ONCE + 3)]
    with serving(vectors(usage=usage)) as chat:
        found = service(chat.url).embed(texts, "r1-s0-1")
    assert [vector.index(1.0) for vector in found.vectors] == [
        (97 + number) % 8 for number in range(len(texts))
    ]
    assert [len(body["input"]) for body in chat.asked] == [TEXTS_AT_ONCE, 3]
    assert {(body["model"], body["encoding_format"]) for body in chat.asked} == {("vectors", "float")}
    assert chat.keys == ["r1-s0-1-e1", "r1-s0-1-e2"]
    assert found.tokens == (len(texts) if usage else 0)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answers(200, b"{}"), "bad_answer"),
        (answers(200, b"[1"), "bad_answer"),
        (vectors(data=[]), "bad_answer"),
        (vectors(data=[{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]), "bad_answer"),
        (vectors(data=[{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]), "bad_answer"),
        (vectors(data=[{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]), "bad_answer"),
        (vectors(data=[{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]), "bad_answer"),
        (answers(404), "misconfigured"), (answers(401), "misconfigured"), (answers(503), "server_error"),
        (answers(429), "rate_limited"), (hangs_up, "connection"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(reply: Callable[[Handler], None], kind: str) -> None:
    with serving(reply) as chat, pytest.raises(ProviderFault) as fault:
        service(chat.url).embed(["red", "blue"], "k")
    assert fault.value.kind == kind
    assert fault.value.message.endswith(".")


def test_an_address_that_is_not_allowed_is_not_reached() -> None:
    with serving(vectors()) as chat, pytest.raises(ProviderFault) as fault:
        service(chat.url, allowed=False).embed(["red"], "k")
    assert (fault.value.kind, chat.asked) == ("misconfigured", [])
