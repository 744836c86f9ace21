"""Malformed bodies, sent to a real web process: refused with 400, never a fault or a hang."""

import socket
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.business.accounts.services import api_keys
from tests.factories import NOW
from tests.infrastructure.web_process import WebProcess, web_process
from tests.modules.automation_rest import RULES
from tests.people import make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
CHUNKED = "Transfer-Encoding: chunked"
BROKEN = [
    (CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"-5\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"\xc2\xb2\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b" \r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"2\r\n{}XX0\r\n\r\n"),
    (CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"),
    (CHUNKED, b"2_0\r\n{}\r\n0\r\n\r\n"),
    ("Content-Length: abc", b"{}"),
    ("Content-Length: -1", b"{}"),
    ("Content-Length: +2", b"{}"),
    ("Content-Length: 2_0", b"{}"),
    ("Content-Length: 2\r\nContent-Length: 3", b"{}x"),
]
TOO_LARGE = [b"f" * 5000 + b"\r\n{}", b"7fffffffffffffff\r\n{}", b"ffffffff\r\n{}"]
"""Chunks that announce more than a body may have."""
UNFINISHED = [
    (CHUNKED, b"5\r\n{}"),
    (CHUNKED, b"2\r\n{}\r\n"),
    (CHUNKED, b"2"),
    ("Content-Length: 50", b'{"name": '),
]


@pytest.fixture(scope="module")
def web(shared_app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(shared_app, tmp_path_factory.mktemp("broken")) as process:
        yield process


@pytest.fixture
def key(app: Flask, session: Session) -> str:
    _, secret = api_keys.issue(session, make_people(session).owner, "Program", NOW)
    session.commit()
    return secret


def test_a_malformed_body_is_refused(web: WebProcess, key: str) -> None:
    for header, body in BROKEN:
        client = web.send(request_of(key, header) + body)
        status = answer_of(client)
        assert status == 400, (header, body[:40], status)
    assert web.answers_within() < 5
    assert b"Traceback" not in web.log.read_bytes()


def test_an_oversized_chunk_is_refused_at_once(web: WebProcess, key: str) -> None:
    for body in TOO_LARGE:
        assert answer_of(web.send(request_of(key, CHUNKED) + body)) == 413, body[:20]


def test_a_body_that_ends_too_early_is_no_fault_and_no_hang(web: WebProcess, key: str) -> None:
    for header, body in UNFINISHED:
        client = web.send(request_of(key, header) + body)
        client.shutdown(socket.SHUT_WR)
        # Nobody may be there any more to read an answer: none is as good as a refusal.
        assert answer_of(client) in (None, 400), (header, body)
    assert web.answers_within() < 5
    assert b"Traceback" not in web.log.read_bytes()


def test_a_whole_body_in_chunks_is_read(web: WebProcess, key: str) -> None:
    body = b'6\r\n{"name\r\n3;x=1\r\n":1\r\n1\r\n}\r\n0\r\n\r\n'
    assert answer_of(web.send(request_of(key, CHUNKED) + body)) == 422


def request_of(key: str, header: str) -> bytes:
    lines = [f"POST {RULES} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {key}",
             "Content-Type: application/json", header, "Connection: close", "", ""]  # fmt: skip
    return "\r\n".join(lines).encode()


def answer_of(client: socket.socket) -> int | None:
    """The status; None where the connection ends without one. Fails where neither comes within 20 seconds."""
    said = b""
    try:
        while chunk := client.recv(65536):
            said += chunk
    except ConnectionResetError:
        pass
    return int(said.split(b" ", 2)[1]) if said else None
