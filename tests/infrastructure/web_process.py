"""A web process on the test's database, and clients that may be as slow as they like."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from subprocess import Popen

from flask import Flask

from tests.processes import FLASK, clean_environment, eventually, free_port, running


@dataclass(frozen=True)
class Said:
    """An answer, read to its end."""

    status: int
    headers: Message
    body: bytes


@dataclass
class WebProcess:
    """Where it listens, and every connection that the test has opened."""

    process: Popen[bytes]
    port: int
    log: Path
    opened: list[socket.socket] = field(default_factory=list)

    def connect(self, *, receive_buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(20)
        client.connect(("127.0.0.1", self.port))
        self.opened.append(client)
        return client

    def send(self, data: bytes, *, receive_buffer: int = 0) -> socket.socket:
        client = self.connect(receive_buffer=receive_buffer)
        client.sendall(data)
        return client

    def ask(self, path: str, headers: dict[str, str] | None = None, timeout: float = 20) -> Said:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return Said(answer.status, answer.headers, answer.read())

    def answers_within(self) -> float:
        """Seconds until `/healthz` has answered."""
        began = time.monotonic()
        assert self.ask("/healthz").status == 200
        return time.monotonic() - began

    def hang_up(self) -> None:
        for client in self.opened:
            # Without waiting for what the other side still has to say.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        self.opened.clear()


def environment_of(app: Flask, port: int, **values: str) -> dict[str, str]:
    settings = app.extensions["settings"]
    return (
        clean_environment(
            PORT=str(port),
            DATABASE_URL=settings.database_url,
            REDIS_URL=settings.redis_url,
            SECRET_KEY=settings.signing_key,
            DATA_DIR=str(settings.data_dir),
        )
        | values
    )


@contextmanager
def web_process(app: Flask, folder: Path, **values: str) -> Iterator[WebProcess]:
    """`flask web` while the block runs."""
    port = free_port()
    with running([*FLASK, "web"], environment_of(app, port, **values), folder / "web.log") as process:
        web = WebProcess(process, port, folder / "web.log")
        try:
            eventually(lambda: _is_up(web), within=60, what="the web process answers")
            yield web
        finally:
            web.hang_up()


def _is_up(web: WebProcess) -> bool:
    assert web.process.poll() is None, web.log.read_text()
    try:
        return web.ask("/healthz").status == 200
    except OSError:
        return False
