"""A small server that implements the chat protocol on 127.0.0.1, and can fail in every way providers do."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

IDEAS = {
    "ideas": [
        {"title": "Sheds", "description": "All of it.", "content_type": "guide", "main_keyword": "shed"}
    ]
}


@dataclass
class ChatServer:
    """`replies` are used up in turn, the last one for ever; `asked` keeps what came in."""

    replies: list[Callable[["Handler"], None]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """One request: notes it, then behaves as told."""

    chat: ChatServer
    body: dict[str, Any]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = self.rfile.read(length)
        if len(sent) < length:
            # Whoever asked was killed in the middle of it.
            return
        self.body = json.loads(sent)
        self.chat.asked.append(self.body)
        self.chat.keys.append(self.headers["Idempotency-Key"])
        reply = self.chat.replies.pop(0) if len(self.chat.replies) > 1 else self.chat.replies[0]
        reply(self)

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests stay quiet."""


def says(content: str, finish_reason: str = "stop", **message: Any) -> Callable[[Handler], None]:
    """A well-formed completion with this text."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content} | message}
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
    reply = {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "small-1",
        "choices": [choice | {"finish_reason": finish_reason}], "usage": usage,
    }  # fmt: skip
    return lambda handler: handler.send(200, json.dumps(reply).encode())


def good() -> Callable[[Handler], None]:
    return says(json.dumps(IDEAS))


def ideas(count: int) -> Callable[[Handler], None]:
    """So many ideas for each cluster, none of which answers the searches of another."""

    def reply(handler: Handler) -> None:
        cluster = json.loads(handler.body["messages"][1]["content"])["cluster"]
        idea = IDEAS["ideas"][0] | {"content_type": "how_to"}
        # Words, for the numbers of two clusters could be the same set.
        titles = [f"How to {deed} {cluster}" for deed in ("wash", "mend", "measure", "store", "lace")[:count]]
        found = [idea | {"title": title, "main_keyword": title} for title in titles]
        says(json.dumps({"ideas": found}))(handler)

    return reply


def vectors(width: int = 8, *, usage: bool = True, **changes: Any) -> Callable[[Handler], None]:
    """Vectors by the first letter of each text, in another order than asked for; `changes`: to the answer."""

    def reply(handler: Handler) -> None:
        texts = handler.body["input"]
        data = [
            {
                "object": "embedding",
                "index": at,
                "embedding": [float(ord(text[0]) % width == n) for n in range(width)],
            }
            for at, text in enumerate(texts)
        ]
        used = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        answer = {"object": "list", "model": "small-1", "data": data[::-1]} | (
            {"usage": used} if usage else {}
        )
        handler.send(200, json.dumps(answer | changes).encode())

    return reply


def answers(
    status: int, body: bytes = b"{}", kind: str = "application/json", **headers: str
) -> Callable[[Handler], None]:
    """Any status and body."""
    return lambda handler: handler.send(status, body, kind, **headers)


def hangs(seconds: float) -> Callable[[Handler], None]:
    """No answer for so long, then none at all."""
    return lambda handler: time.sleep(seconds)


def drips(pause: float, times: int) -> Callable[[Handler], None]:
    """A byte now and then: each one in time, all of them too late."""

    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "10000")
        handler.end_headers()
        for _ in range(times):
            time.sleep(pause)
            handler.wfile.write(b" ")

    return reply


def hangs_up(handler: Handler) -> None:
    """The connection is cut in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


@contextmanager
def serving(*replies: Callable[[Handler], None]) -> Iterator[ChatServer]:
    """The running server; stopped at the end."""
    chat = ChatServer(list(replies))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Quiet,), {"chat": chat}))
    server.daemon_threads = True
    server.block_on_close = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Quiet(Handler):
    """Ignores clients that hang up first: they are part of the trial."""

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
