"""No number of slow or waiting clients stops the web process from answering others."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services import api_keys
from app.infrastructure.database import LOCK_WAIT_SECONDS, db
from tests.business.automation.run_rows import make_rule
from tests.factories import make_content, make_sector, make_site
from tests.infrastructure.web_process import WebProcess, web_process
from tests.modules.automation_rest import LABEL
from tests.people import browser_of, make_people

MANY, SLOW = 100, 40
LARGE = 400_000
"""More than the buffers between a server and a client that does not read."""


class Asked:
    """What the slow clients ask for, as bytes."""

    def __init__(self, session: Session, now: object) -> None:
        self.people = people = make_people(session)
        _, secret = api_keys.issue(session, people.operator, "Program", now)  # type: ignore[arg-type]
        rule = make_rule(session, people.account, actions=[LABEL])
        sector = make_sector(session, make_site(session, people.account))
        content = make_content(session, sector, html="a" * LARGE)
        session.commit()
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
        body = json.dumps({"wait": 30})
        self.large = f"GET /api/writer/content/{content.id}/ HTTP/1.1\r\n{head}\r\n".encode()
        execute = f"POST /api/automation/rules/{rule.id}/execute/ HTTP/1.1\r\n{head}"
        self.wait = f"{execute}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        self.try_out = f"POST /api/automation/rules/{rule.id}/test/ HTTP/1.1\r\n{head}\r\n".encode()
        self.half_headers = execute.encode()
        self.half_body = self.wait[:-3]
        self.half_chunk = f"{execute}Transfer-Encoding: chunked\r\n\r\nb\r\n{{".encode()


@pytest.fixture
def asked(session: Session, now: object) -> Asked:
    return Asked(session, now)


@pytest.fixture(scope="module")
def web(shared_app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(shared_app, tmp_path_factory.mktemp("web"), TRUSTED_PROXIES="1") as web:
        yield web


def test_the_address_that_the_trusted_proxy_names_is_throttled_and_logged(
    app: Flask, web: WebProcess
) -> None:
    def wrong_key(address: str) -> int:
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": f"192.0.2.1, {address}"}
        return web.ask("/api/planner/keywords/", headers).status

    assert {wrong_key("203.0.113.9") for _ in range(30)} == {401}
    assert (wrong_key("203.0.113.9"), wrong_key("203.0.113.10")) == (429, 401)
    assert "nobody signed in from 203.0.113.10" in web.log.read_text()
    page = web.ask("/sign-in", {"X-Forwarded-Prefix": "/under", "X-Forwarded-Proto": "https"})
    assert b'href="/under/static/' in page.body


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Nobody else can write the keywords, or, where a lock covers everything, write at all."""
    begin = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "LOCK keyword IN ACCESS EXCLUSIVE MODE"
    other = create_engine(
        engine.url, isolation_level="AUTOCOMMIT" if engine.dialect.name == "sqlite" else None
    )
    with other.connect() as connection:
        connection.exec_driver_sql(begin)
        yield
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()


def session_of(app: Flask, session: Session, user: User) -> dict[str, str]:
    cookie = browser_of(app, session, user).get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    return {"Cookie": f"{cookie.key}={cookie.value}"}


def test_one_persons_slow_requests_leave_threads_for_everybody_else(
    app: Flask, session: Session, web: WebProcess, asked: Asked, now: datetime
) -> None:
    people = asked.people
    others = [session_of(app, session, user) for user in (people.viewer, people.stranger)]
    others.append({"Authorization": f"Bearer {api_keys.issue(session, people.stranger, 'Other', now)[1]}"})
    session.commit()
    with locked(db.engine):
        slow = [web.send(asked.try_out) for _ in range(SLOW)]
        for headers in others * 2:
            began = time.monotonic()
            assert web.ask("/api/planner/sites/", headers).status == 200
            # Sixteen of them would hold sixteen threads for as long as a lock is waited for.
            assert time.monotonic() - began < LOCK_WAIT_SECONDS / 2
    # None is lost: each was done or told that the database is busy.
    assert {client.recv(12) for client in slow} <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}


def test_health_answers_within_a_second_beside_slow_senders_readers_and_waiting_clients(
    web: WebProcess, asked: Asked, record_property: Callable[[str, str], None]
) -> None:
    waiting, slowest = [], 0.0
    for number in range(MANY):
        web.send((asked.half_headers, asked.half_body, asked.half_chunk)[number % 3])
        web.send(asked.large, receive_buffer=4096)
        waiting.append(web.send(asked.wait))
        if number % 10 == 9:
            # The better of two: a machine that has much to do may be late once, a blocked server is late always.
            slowest = max(slowest, min(web.answers_within(), web.answers_within()))
    assert slowest < 1
    assert web.ask("/sign-in").status == 200
    record_property(
        "figure", f"{MANY} slow senders, readers and waiting clients: /healthz within {slowest * 1000:.0f} ms"
    )
    web.process.send_signal(signal.SIGTERM)
    # Those for whom there was a seat are answered now, all others have been; a SQLite file may have been busy.
    answers = {client.recv(12) for client in waiting}
    assert b"HTTP/1.1 202" in answers
    assert answers <= {b"HTTP/1.1 202", b"HTTP/1.1 503"}
    web.hang_up()
    assert web.process.wait(20) == 0
    assert "Traceback" not in web.log.read_text()
