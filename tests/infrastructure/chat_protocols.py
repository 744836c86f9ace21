"""Stand-ins that speak as the documents of well-known AI services say: how they stream, and what they refuse."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.infrastructure.chat_server import Handler

KEY = "sk-very-secret-0123456789"
USAGE = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
Reply = Callable[[Handler], None]


@dataclass(frozen=True)
class Service:
    """One service. `takes`: kinds of `response_format` · `refusal`: status and body for the others."""

    name: str
    path: str = "/v1"
    query: str = ""
    takes: tuple[str, ...] = ("json_schema", "json_object")
    refusal: tuple[int, Any] = (400, {"error": {"message": "response_format is not supported"}})
    needs_key: bool = False
    first_chunk_is_empty: bool = False
    thinks_in: str = ""
    usage_beside_choice: bool = False
    extra: tuple[tuple[str, Any], ...] = ()

    def url(self, server: str) -> str:
        return server.removesuffix("/v1") + self.path + self.query

    def says(self, text: str) -> Reply:
        """Answers with `text`, streamed where that is asked for."""

        def reply(handler: Handler) -> None:
            if refused := self.refuses(handler):
                status, body = refused
                handler.send(status, json.dumps(body).encode())
            elif handler.body.get("stream"):
                send_stream(handler, self.events(handler.body, text))
            else:
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                handler.send(
                    200, json.dumps({"model": "small-1", "choices": [choice], "usage": USAGE}).encode()
                )

        return reply

    def refuses(self, handler: Handler) -> tuple[int, Any] | None:
        if handler.path != f"{self.path}/chat/completions{self.query}":
            return 404, {"error": {"message": f"no route {handler.path}"}}
        if self.needs_key and not self.has_key(handler):
            return 401, {"error": {"message": "Incorrect API key provided"}}
        asked = handler.body.get("response_format", {}).get("type", "text")
        if asked not in (*self.takes, "text"):
            return self.refusal
        if asked == "json_schema" and (problem := loose(handler.body["response_format"]["json_schema"])):
            return 400, {"error": {"message": f"Invalid schema for response_format: {problem}"}}
        return None

    def has_key(self, handler: Handler) -> bool:
        if self.query:
            return handler.headers["api-key"] == KEY and handler.headers["Authorization"] is None
        return bool(handler.headers["Authorization"] == f"Bearer {KEY}")

    def events(self, body: dict[str, Any], text: str) -> Iterator[str]:
        shared = {"id": "c1", "object": "chat.completion.chunk", "model": "small-1", **dict(self.extra)}

        def chunk(choices: list[Any], **more: Any) -> str:
            return json.dumps(shared | {"choices": choices} | more)

        def piece(finish_reason: str | None = None, **delta: Any) -> list[Any]:
            return [{"index": 0, "delta": delta, "finish_reason": finish_reason}]

        if self.first_chunk_is_empty:
            yield chunk([], model="", prompt_filter_results=[{"prompt_index": 0}])
        yield chunk(piece(role="assistant", content=""))
        if self.thinks_in:
            yield chunk(piece(content=None, **{self.thinks_in: 'They want {"ideas": []}, I think.'}))
        for start in range(0, len(text), 7):
            yield chunk(piece(content=text[start : start + 7]))
        wants_usage = body.get("stream_options", {}).get("include_usage")
        if self.usage_beside_choice:
            yield chunk(piece("stop"), **({"usage": USAGE} if wants_usage else {}))
        else:
            yield chunk(piece("stop"), usage=None)
            if wants_usage:
                yield chunk([], usage=USAGE)
        yield "[DONE]"


def loose(described: dict[str, Any]) -> str:
    """What a strict schema may not leave open, as OpenAI's documents say."""

    def look(schema: dict[str, Any]) -> str:
        if "properties" in schema:
            if schema.get("additionalProperties") is not False:
                return "additionalProperties must be false"
            if sorted(schema.get("required", [])) != sorted(schema["properties"]):
                return "every property must be required"
        if unknown := {"minLength", "maxLength", "default", "minItems"} & schema.keys():
            return f"{unknown} not permitted"
        parts = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
        parts += [schema["items"]] if "items" in schema else []
        return next((found for part in parts if (found := look(part))), "")

    return look(described["schema"]) if described.get("strict") else "strict is missing"


def send_stream(handler: Handler, events: Iterator[str], *, ends: bool = True) -> None:
    """Server-sent events in chunks, with a comment that keeps the connection alive; cut off unless it `ends`."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for event in events:
        data = f": keep-alive\n\ndata: {event}\n\n".encode()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        handler.wfile.flush()
    if ends:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = True


OPENAI = Service("OpenAI", needs_key=True)
AZURE = Service(
    "Azure",
    path="/openai/deployments/small",
    query="?api-version=2024-10-21",
    needs_key=True,
    first_chunk_is_empty=True,
    extra=(("system_fingerprint", "fp"),),
)
OLLAMA = Service("Ollama", extra=(("system_fingerprint", "fp_ollama"),))
LM_STUDIO = Service(
    "LM Studio", takes=("json_schema",),
    refusal=(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}),
)  # fmt: skip
VLLM = Service("vLLM", thinks_in="reasoning_content")
LLAMA_CPP = Service("llama.cpp", usage_beside_choice=True, extra=(("timings", {"predicted_n": 34}),))
LLAMA_CPP_PYTHON = Service(
    "llama-cpp-python", takes=("json_object",),
    refusal=(500, {"error": {"message": "1 validation error: response_format.type should be 'text' or 'json_object'"}}),
)  # fmt: skip
PLAIN = Service("a small server", takes=())
SERVICES = (OPENAI, AZURE, OLLAMA, LM_STUDIO, VLLM, LLAMA_CPP, LLAMA_CPP_PYTHON, PLAIN)
