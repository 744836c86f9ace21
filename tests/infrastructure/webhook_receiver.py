"""A receiver of webhooks on 127.0.0.1: keeps what it is sent, and answers as told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import standardwebhooks

Reply = tuple[int, dict[str, str]]


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Its body, where the reference library accepts its signature."""
        return standardwebhooks.Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`replies` are used up in turn, the last one for ever."""

    replies: list[Reply] = field(default_factory=lambda: [(200, {})])
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with receiver.lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                replies = receiver.replies
                status, more = replies.pop(0) if len(replies) > 1 else replies[0]
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            said = b"" if status == 204 else b'{"said": "thanks"}'
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests stay quiet."""

    class Server(ThreadingHTTPServer):
        def get_request(self) -> Any:
            receiver.connections += 1
            return super().get_request()

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
