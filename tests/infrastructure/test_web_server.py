"""The web server: limits of size and time, and how it stops."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.infrastructure import http_connections, process_life
from app.infrastructure.http_connections import HttpServer
from app.infrastructure.web_server import CannotListen, WebServer
from app.settings import Settings
from tests.processes import eventually, free_port

LARGE = 20_000_000
"""More than the buffers between a server and a client that does not read."""


class Served:
    """A server in a thread; its application answers `/slow` only when it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.at_work = threading.Event()
        self.settings = Settings(port=free_port(), secret_key="a-key-that-only-the-tests-use-0123456789")
        self.port = self.settings.port
        self.server: HttpServer = WebServer(self.application, self.settings).open()
        self.thread = threading.Thread(target=self.server.serve)
        self.clients: list[socket.socket] = []

    def application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read() or b"ok"
        if environ["PATH_INFO"] == "/slow":
            self.at_work.set()
            self.may_answer.wait(20)
        if environ["PATH_INFO"] == "/large":
            body = b"a" * LARGE
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    def send(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.clients.append(client)
        client.sendall(data)
        return client

    def stop(self) -> None:
        self.may_answer.set()
        self.server.ask_to_stop()
        self.server.ask_to_stop()
        self.thread.join(20)
        for client in self.clients:
            client.close()
        self.server.close()
        for thread in (self.server.task_dispatcher, self.server.task_dispatcher.express):
            thread.shutdown()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.thread.start()
    yield served
    served.stop()
    process_life.stopping.clear()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(header: str, body: bytes = b"", path: str = "/api/planner/keywords/import/") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n".encode() + body


def read_all(client: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (post("Content-Length: 17000000", b"a" * 3_000_000), 413),
        (post("Transfer-Encoding: chunked", b"1030000\r\n" + b"a" * 17_000_000), 413),
        (post("Content-Length: -1"), 400),
        (post("Content-Length: many"), 400),
        (post("Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"), 400),
        (post("Transfer-Encoding: chunked", b"2\r\n{}never\r\n"), 400),
        (post("Transfer-Encoding: gzip"), 501),
        (post("X-Long: " + "a" * 200_000), 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_input_that_is_no_request_is_refused_with_a_message(served: Served, sent: bytes, status: int) -> None:
    client = served.send(sent)
    client.shutdown(socket.SHUT_WR)
    head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == str(status).encode()
    assert b"Connection: close" in head
    assert b"waitress" not in head + body
    if b"problem+json" in head:
        assert json.loads(body)["status"] == status
    assert body


def test_a_large_file_is_refused_although_it_is_still_being_sent(served: Served) -> None:
    client = served.send(post("Content-Length: 17000000"))
    with suppress(BrokenPipeError):
        for _ in range(17):
            client.sendall(b"a" * 1_000_000)
    client.shutdown(socket.SHUT_WR)
    assert b"at most 5 MB" in read_all(client)


def test_a_body_of_the_allowed_size_arrives_whole_however_it_is_sent(served: Served) -> None:
    body = b"".join(b"1000\r\n" + b"a" * 4096 + b"\r\n" for _ in range(500)) + b"0\r\n\r\n"
    client = served.send(post("Transfer-Encoding: chunked\r\nConnection: close", body))
    assert len(read_all(client).partition(b"\r\n\r\n")[2]) == 500 * 4096


@pytest.mark.parametrize(
    ("patience", "sent"),
    [
        ("HEADER_SECONDS", b""),
        ("HEADER_SECONDS", b"GET / HTTP/1.1\r\nHost"),
        ("REQUEST_SECONDS", post("Content-Length: 10", b"{")),
        ("ANSWER_SECONDS", get("/large")),
        ("IDLE_SECONDS", get("/")),
        ("LINGER_SECONDS", b"nonsense\r\n\r\n"),
    ],
)
def test_a_client_that_takes_too_long_is_disconnected(
    served: Served, monkeypatch: pytest.MonkeyPatch, patience: str, sent: bytes
) -> None:
    monkeypatch.setattr(http_connections, patience, 0)
    served.send(sent)
    eventually(lambda: served.server.active_channels, within=10, what="it is connected")
    eventually(lambda: not served.server.active_channels, within=10, what="it is closed")


def test_where_connections_run_out_the_slowest_makes_room(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.server.adj, "connection_limit", 20 + http_connections.SPARE)
    slow = [served.send(b"GET / HTTP/1.1\r\n") for _ in range(40)]
    assert read_all(served.send(b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200")
    assert is_closed(slow[0])
    assert not is_closed(slow[-1])


def test_health_is_answered_while_every_thread_is_at_work(served: Served) -> None:
    for _ in range(40):
        served.send(get("/slow"))
    assert served.at_work.wait(20)
    answer = read_all(served.send(b"GET /healthz HTTP/1.0\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.0 200")
    assert not served.may_answer.is_set()


def test_a_thread_does_not_wait_for_a_client_that_does_not_read(served: Served) -> None:
    slow = [served.send(get("/large")) for _ in range(20)]
    assert read_all(served.send(b"GET / HTTP/1.0\r\n\r\n")).endswith(b"ok")
    head, _, body = slow[0].recv(65536).partition(b"\r\n\r\n")
    while len(body) < LARGE:
        body += slow[0].recv(2**20)
    assert head.startswith(b"HTTP/1.1 200")


def test_a_stop_finishes_requests_in_progress_and_refuses_new_ones(served: Served) -> None:
    at_work, reads, idle = served.send(get("/slow")), served.send(get("/large")), served.send(get("/"))
    sends = served.send(post("Content-Length: 4", b"ab", path="/"))
    assert served.at_work.wait(20)
    assert idle.recv(1)
    assert reads.recv(1)
    served.server.ask_to_stop()
    eventually(lambda: process_life.stopping.is_set() and _is_refused(served.port), what="it listens no more")
    assert read_all(idle)
    sends.sendall(b"cd")
    served.may_answer.set()
    for client in (at_work, sends):
        assert b"Connection: close" in read_all(client)
    assert len(read_all(reads)) > LARGE
    served.thread.join(20)
    assert not served.thread.is_alive()


def test_a_stop_does_not_wait_for_ever(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "GRACE_SECONDS", 0.2)
    served.send(get("/slow"))
    assert served.at_work.wait(20)
    served.server.ask_to_stop()
    served.thread.join(60)
    assert not served.thread.is_alive()


def test_a_port_in_use_is_named(served: Served) -> None:
    with pytest.raises(CannotListen, match=f"Cannot listen on 127.0.0.1 port {served.port}: Address already"):
        WebServer(served.application, served.settings).open()


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
