"""A real browser on the real application, served in a thread."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread, Timer
from typing import Any, cast

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.orm import Session
from werkzeug.serving import ThreadedWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from app.business.accounts.models import User
from tests.factories import make_keyword, make_sector, make_site
from tests.people import People, browser_of, make_people

# A page that answers in a tenth of a second may take many on a machine that runs other tests beside.
expect.set_options(timeout=20_000)

CLOSED_WITHIN = 60
"""Seconds; it takes a fraction of one."""
AXE = next((Path(__file__).parent / "vendor").rglob("axe.min.js"))
SERIOUS = """async () => (await axe.run()).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => found.id + ": " + found.nodes[0].html)"""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session, granted_at=datetime.now(UTC))


@pytest.fixture
def keywords(session: Session, people: People) -> None:
    sector = make_sector(session, make_site(session, people.account))
    for volume in (100, 600, 900):
        make_keyword(session, sector, text=f"word {volume}", volume=volume)
    session.commit()


@pytest.fixture
def live_address(app: Flask) -> Iterator[str]:
    """The address of the application in the background thread."""

    @Request.application
    def in_one_piece(request: Request) -> Response:
        # Where a browser hangs up, werkzeug does not close the answer: the file it reads from would stay open.
        return Response.from_app(app, request.environ, buffered=True)

    server = make_server("127.0.0.1", 0, in_one_piece, threaded=True)
    # So that its end waits for each request: one left over would meet the next test's tables.
    cast(ThreadedWSGIServer, server).daemon_threads = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def open_page(app: Flask, session: Session, chromium: Browser, live_address: str) -> Iterator[Any]:
    """`open_page(user)`: a page in which that person is signed in; keywords go to the browser's context."""
    contexts = []

    def open_for(user: User, **options: Any) -> Page:
        client = browser_of(app, session, user)
        cookie = client.get_cookie("console")
        assert cookie
        context = chromium.new_context(base_url=live_address, **options)
        context.add_cookies([{"name": "console", "value": cookie.value, "url": live_address}])
        contexts.append(context)
        return context.new_page()

    yield open_for
    # Now and then Chromium never finishes closing a page; without its renderers it does.
    rescue = Timer(CLOSED_WITHIN, end_renderers)
    rescue.start()
    for context in contexts:
        context.close()
    rescue.cancel()


def end_renderers() -> None:
    """End the renderers of the browser that this process has started; it goes on without them."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    for process in parents:
        above, ancestors = process, set[int]()
        while above := parents.get(above, 0):
            ancestors.add(above)
        if os.getpid() in ancestors:
            with suppress(OSError):
                if b"--type=renderer" in Path(f"/proc/{process}/cmdline").read_bytes():
                    os.kill(process, signal.SIGKILL)


def serious_faults(page: Page) -> list[str]:
    """The serious and critical findings of axe-core on the page; needs a context with bypass_csp."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(SERIOUS)
    return found
