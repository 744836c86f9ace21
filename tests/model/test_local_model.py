"""Our AI client and a real model: the form of answers, streams, silence, broken connections, and leaving midway."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.business.language_model import Completion, Prompt, ProviderFault
from app.business.writer.services.article_prompts import Outline
from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.openai_compatible import OpenAICompatible
from app.infrastructure.ai.probe import probe
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.outbound.transport import Bounds
from app.settings import Settings
from tests.model.conftest import connected
from tests.model.local_service import LocalService, local_service
from tests.processes import eventually

PLAN = Prompt(
    "content",
    {"subject": "oak tables"},
    Outline,
    "Plan an article on the subject: its title and three sections, each with a heading.",
)
SHORT = Prompt("content", {"about": "oak tables"}, None, "Write about the facts, at length.")
PAUSE, PAUSES = 2, 4


@contextmanager
def asked(model: OpenAICompatible) -> Iterator[Future[Completion]]:
    """The answer, which comes while the block runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(model.write, SHORT, "k")


def test_the_test_of_a_connection_finds_that_it_keeps_to_a_schema(service: LocalService) -> None:
    policy = OutboundPolicy.of(Settings(), service.url)
    found = probe(Endpoint(service.url, "", "smollm2"), policy, Bounds(silence=120, total=300))
    assert (found.ok, found.mode) == (True, "json_schema"), found.message
    assert found.tokens["prompt_tokens"] > 0
    assert found.tokens["completion_tokens"] > 0


def test_an_outline_comes_in_the_form_of_its_schema(service: LocalService) -> None:
    model = connected(service.url)
    answer = model.write(PLAN, "k")
    outline = Outline.model_validate(answer.data)
    assert outline.sections
    assert model.mode == "json_schema"
    assert (answer.offline, answer.tokens["completion_tokens"] > 0) == (False, True)


def test_an_answer_is_read_as_it_is_written(service: LocalService) -> None:
    """Its whole takes longer than the longest silence that is allowed, and each part of it less."""
    begun = time.monotonic()
    with asked(connected(service.url, silence=PAUSE * PAUSES - 1)) as answer:
        for number in range(1, PAUSES + 1):
            eventually(lambda number=number: service.written >= 5 * number, what="it writes")
            service.stand_still()
            time.sleep(PAUSE)
            service.go_on()
        text = answer.result(300).data["text"]
    assert time.monotonic() - begun > PAUSE * PAUSES
    assert len(text.split()) > 20


def test_silence_in_the_middle_is_a_time_out_and_the_service_is_of_use_afterwards(
    service: LocalService,
) -> None:
    with asked(connected(service.url, silence=4)) as answer:
        eventually(lambda: service.written >= 5, what="it writes")
        service.stand_still()
        try:
            with pytest.raises(ProviderFault) as fault:
                answer.result(60)
        finally:
            service.go_on()
    assert (fault.value.kind, fault.value.is_passing, fault.value.may_have_worked) == ("timeout", True, True)
    assert connected(service.url).write(SHORT, "k").data["text"]


def test_who_leaves_in_the_middle_lets_the_service_stop(service: LocalService) -> None:
    model = connected(service.url)
    model.longest = 100
    with pytest.raises(ProviderFault, match="far more than was asked for") as fault:
        model.write(SHORT, "k")
    assert fault.value.kind == "bad_answer"
    stopped = time.monotonic()
    eventually(lambda: not service.is_writing, what="it stops")
    left = time.monotonic() - stopped
    begun = time.monotonic()
    whole = connected(service.url).write(SHORT, "k")
    assert len(whole.data["text"]) > 300, "there was more to write"
    assert left < (time.monotonic() - begun) / 2


def test_the_rest_of_an_answer_that_is_cut_off_is_requested(folder: Path) -> None:
    with local_service(folder, "--predict", "40") as service:
        answer = connected(service.url).write(SHORT, "k")
    assert answer.tokens["completion_tokens"] > 40
    assert len(answer.data["text"]) > 300


def test_a_service_that_dies_in_the_middle_breaks_off(folder: Path) -> None:
    with local_service(folder) as service, asked(connected(service.url)) as answer:
        eventually(lambda: service.written >= 5, what="it writes")
        service.die()
        with pytest.raises(ProviderFault, match="broke off") as fault:
            answer.result(60)
    assert (fault.value.kind, fault.value.is_passing) == ("connection", True)


def test_a_service_that_loads_its_model_has_trouble_that_passes(folder: Path) -> None:
    with local_service(folder, ready=False) as service:
        fault = eventually(lambda: refusal(service), what="it listens")
    assert (fault.kind, fault.is_passing) == ("server_error", True)


def refusal(service: LocalService) -> ProviderFault | None:
    """Why it does not answer; None while it does not listen."""
    try:
        answer = connected(service.url).write(SHORT, "k")
    except ProviderFault as fault:
        return fault if fault.kind != "connection" else None
    raise AssertionError(answer.data)


def test_vectors_come_in_the_order_of_the_texts(folder: Path) -> None:
    texts = ["oak table", "garden hose", "oak table"]
    with local_service(folder, "--embeddings", "--pooling", "mean") as service:
        found = connected(service.url).embed(texts, "k")
    first, other, again = found.vectors
    assert likeness(first, again) > 0.999 > likeness(first, other)
    assert found.tokens > 0


def likeness(first: list[float], second: list[float]) -> float:
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(one * two for one, two in zip(first, second, strict=True)) / lengths
