"""A real browser on the real application, served in a thread."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
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

AXE = next((Path(__file__).parent / "vendor").rglob("axe.min.js"))
SERIOUS = """async () => (await axe.run()).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => found.id + ": " + found.nodes[0].html)"""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


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
    for context in contexts:
        context.close()


def serious_faults(page: Page) -> list[str]:
    """The serious and critical findings of axe-core on the page; needs a context with bypass_csp."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(SERIOUS)
    return found
