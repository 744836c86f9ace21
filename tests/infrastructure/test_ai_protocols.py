"""The AI client against stand-ins of the services people have, and answers as models really give them."""

import json
import time
from collections.abc import Iterator

import pytest

from app.business.language_model import ProviderFault
from app.business.planner.services.ideas_service import IdeaDrafts
from app.business.writer.services.article_prompts import Outline
from app.infrastructure.ai.answers import UnusableAnswer, read_answer
from app.infrastructure.ai.replies import read_stream
from tests.infrastructure.chat_protocols import (
    LLAMA_CPP_PYTHON,
    LM_STUDIO,
    OPENAI,
    PLAIN,
    SERVICES,
    USAGE,
    Service,
    send_stream,
)
from tests.infrastructure.chat_server import IDEAS, Handler, answers, good, serving
from tests.infrastructure.test_ai_provider import PROMPT, connected

WHOLE = json.dumps(IDEAS)
RAW_BREAK = WHOLE.replace("All of it.", "All\nof\tit.")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_answers_streamed_with_its_usage(service: Service) -> None:
    with serving(service.says(WHOLE)) as chat:
        completion = connected(service.url(chat.url)).write(PROMPT, "r1-s0-7")
    assert completion.data == IDEAS
    assert (completion.model, completion.tokens) == ("small-1", USAGE)
    assert {*chat.keys} == {"r1-s0-7"}


@pytest.mark.parametrize(
    ("service", "asked"),
    [(OPENAI, ["json_schema"]), (LLAMA_CPP_PYTHON, ["json_schema", "json_object"]),
     (PLAIN, ["json_schema", "json_object", None])],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_a_form_of_json_that_is_refused_is_not_asked_for_again(
    service: Service, asked: list[str | None]
) -> None:
    with serving(service.says(WHOLE)) as chat:
        model = connected(service.url(chat.url))
        for _ in range(2):
            model.write(PROMPT, "k")
    seen = [body.get("response_format", {}).get("type") for body in chat.asked]
    assert seen == [*asked, asked[-1]]


def test_lm_studio_is_not_lost_to_a_mode_it_refuses() -> None:
    with serving(LM_STUDIO.says(WHOLE)) as chat:
        assert connected(chat.url, mode="json_object").write(PROMPT, "k").data == IDEAS
    assert [body.get("response_format", {}).get("type") for body in chat.asked] == ["json_object", None]


def test_a_service_that_refuses_stream_options_is_asked_without() -> None:
    refusal = answers(400, b'{"error": {"message": "Unrecognized request argument: stream_options"}}')
    with serving(refusal, good()) as chat:
        assert connected(chat.url).write(PROMPT, "k").data == IDEAS
    assert ["stream_options" in body for body in chat.asked] == [True, False]


@pytest.mark.parametrize("typed", ["{}", "{}/", "{}/chat/completions", "{}/chat/completions/"])
def test_the_address_is_taken_as_people_copy_it(typed: str) -> None:
    with serving(OPENAI.says(WHOLE)) as chat:
        assert connected(typed.format(chat.url)).write(PROMPT, "k").data == IDEAS


@pytest.mark.parametrize(
    "text",
    [
        f"<think>They want JSON. {{maybe: 'this'}} or {{\"ideas\": []}}</think>\n{WHOLE}",
        f"Let me think about {{\"ideas\": 1}} first.\n</think>\n\n{WHOLE}",
        f"<THINKING>\nhm\n</THINKING>```json\n{WHOLE}\n```",
        f"Here is the JSON you asked for:\n\n```json\n{WHOLE}\n```\nLet me know if I can help further!",
        f"Sure! {WHOLE} I hope {{this}} helps.",
        f"```\n{WHOLE}\n```",
        f"\ufeff{json.dumps(IDEAS, indent=4)}\n\n",
        f"The schema is {{\"type\": \"object\"}} and the answer is {WHOLE}",
    ],
    ids=["think", "no start", "thinking", "prose and fence", "prose", "fence", "indented", "schema first"],
)  # fmt: skip
@pytest.mark.parametrize("service", [OPENAI, PLAIN], ids=lambda service: service.name)
def test_the_answer_is_found_among_what_a_model_says_beside_it(service: Service, text: str) -> None:
    with serving(service.says(text)) as chat:
        assert connected(chat.url).write(PROMPT, "k").data == IDEAS
    assert len(chat.asked) == (1 if service is OPENAI else 3), "nothing was paid twice"


def test_raw_line_breaks_within_a_text_are_taken() -> None:
    with serving(OPENAI.says(RAW_BREAK)) as chat:
        [idea] = connected(chat.url).write(PROMPT, "k").data["ideas"]
    assert idea["description"] == "All\nof\tit."
    assert len(chat.asked) == 1


def test_marks_of_thought_within_an_answer_belong_to_it() -> None:
    about = {"ideas": [IDEAS["ideas"][0] | {"title": "What is the </think> tag for?"}]}
    assert read_answer(json.dumps(about), IdeaDrafts)["ideas"][0]["title"] == "What is the </think> tag for?"


@pytest.mark.parametrize("said", ["<h2>How to choose one</h2>", "## How to choose one", "**How to choose one**<br>",
                                  "<H2 class='x'>How to choose one"])  # fmt: skip
def test_a_title_is_taken_without_the_markup_around_it(said: str) -> None:
    answer = json.dumps({"title": said, "sections": [{"heading": said}]})
    found = read_answer(answer, Outline)
    assert (found["title"], found["sections"][0]["heading"]) == ("How to choose one", "How to choose one")
    with pytest.raises(UnusableAnswer, match="no text in it"):
        read_answer('{"title": "<h1></h1>", "sections": [{"heading": "One"}]}', Outline)
    kept = "#1 of C# or C++: a < b, 2 * 3 **or** 6"
    assert (
        read_answer(json.dumps({"title": kept, "sections": [{"heading": "a" * 2}]}), Outline)["title"] == kept
    )


@pytest.mark.parametrize(
    "text", ["", "{", "{" * 100_000, '{"a":' * 5_000, "[]", "null", "<think>" * 1_000, "<think>" + WHOLE[:-2]]
)
def test_what_holds_no_answer_is_said_to_hold_none_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(UnusableAnswer):
        read_answer(text, IdeaDrafts)
    assert time.process_time() - begun < 1


def pieces(*texts: str) -> Iterator[str]:
    for text in texts:
        yield json.dumps({"choices": [{"delta": {"content": text}}]})


@pytest.mark.parametrize("ends", [True, False], ids=["a clean end", "the connection cut"])
def test_a_stream_that_is_cut_off_is_a_fault_that_passes(ends: bool) -> None:
    cut = serving(lambda handler: send_stream(handler, pieces(WHOLE[:20]), ends=ends))
    with cut as chat, pytest.raises(ProviderFault, match="broke off") as fault:
        connected(chat.url).write(PROMPT, "k")
    assert (fault.value.kind, fault.value.is_passing, len(chat.asked)) == ("connection", True, 1)


def test_an_answer_without_an_end_is_read_no_further() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield from pieces("and so on, ")

    with (
        serving(lambda handler: send_stream(handler, endless())) as chat,
        pytest.raises(ProviderFault) as fault,
    ):
        connected(chat.url, longest=5_000).write(PROMPT, "k")
    assert (fault.value.kind, fault.value.is_passing, fault.value.may_have_worked) == (
        "bad_answer",
        False,
        True,
    )
    assert len(chat.asked) == 1


def test_a_whole_answer_counts_though_the_stream_does_not_say_that_it_ends() -> None:
    with serving(lambda handler: send_stream(handler, pieces(WHOLE))) as chat:
        assert connected(chat.url).write(PROMPT, "k").data == IDEAS


def test_an_error_within_the_stream_is_named() -> None:
    def reply(handler: Handler) -> None:
        send_stream(handler, iter([*pieces(WHOLE[:20]), '{"error": {"message": "out of memory"}}']))

    with serving(reply) as chat, pytest.raises(ProviderFault, match="had trouble") as fault:
        connected(chat.url).write(PROMPT, "k")
    assert (fault.value.is_passing, fault.value.detail, len(chat.asked)) == (True, "out of memory", 1)


def test_silence_ends_a_stream_and_work_does_not() -> None:
    def writes(pauses: list[float]) -> Iterator[str]:
        for pause, text in zip(pauses, [WHOLE[:30], WHOLE[30:60], WHOLE[60:], ""], strict=True):
            time.sleep(pause)
            yield from pieces(text)
        yield "[DONE]"

    with serving(lambda handler: send_stream(handler, writes([0.3, 0.3, 0.3, 0.3]))) as chat:
        assert connected(chat.url, seconds=0.9).write(PROMPT, "k").data == IDEAS
    silent = serving(lambda handler: send_stream(handler, writes([0, 0, 1.5, 0])))
    with silent as chat, pytest.raises(ProviderFault) as fault:
        connected(chat.url, seconds=0.3).write(PROMPT, "k")
    assert (fault.value.kind, len(chat.asked)) == ("timeout", 1)


def test_events_are_read_in_every_form_of_the_standard() -> None:
    lines = [": comment", "event: message", 'data: {"choices":', 'data: [{"delta": {"content": "a"}}]}', "", "id: 7",
             'data:{"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}', "", "retry: 5", "",
             'data: {"choices": []}']  # fmt: skip
    reply = read_stream(lines)
    assert (reply.content, reply.is_whole) == ("ab", True)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "maximum context length is 4096"}}, "too_large"),
        (400, {"error": {"code": 400, "message": "the request exceeds the available context size"}}, "too_large"),
        (404, {"error": {"message": 'model "small" not found, try pulling it first'}}, "misconfigured"),
        (404, {"object": "error", "message": "The model `small` does not exist.", "code": 404}, "misconfigured"),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "server_error"),
        (400, {"error": {"code": "content_filter", "message": "filtered"}}, "refused"),
        (400, {"error": "Model is not loaded."}, "refused"),
        (400, [], "refused"),
    ],
)  # fmt: skip
def test_errors_are_named_in_whatever_form_they_come(status: int, body: object, kind: str) -> None:
    with serving(answers(status, json.dumps(body).encode())) as chat, pytest.raises(ProviderFault) as fault:
        connected(chat.url).write(PROMPT, "k")
    assert (fault.value.kind, len(chat.asked)) == (kind, 1)
