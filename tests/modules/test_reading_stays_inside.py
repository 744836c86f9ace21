"""Pages and calls that only read send nothing to outside services, whatever their links and search forms say."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.outlets.models import AiConnection
from app.infrastructure.outbound.transport import OutboundTransport
from tests.modules.permissions import NEEDED, address, make_rows
from tests.modules.test_permissions import query_of
from tests.people import browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
FORM = re.compile(r'<form(?=[^>]*\bmethod="get")(?=[^>]*\baction="([^"]*)")[^>]*>(.*?)</form>', re.DOTALL)
FIELD = re.compile(r'<(?:input|select)\b[^>]*\bname="([^"]+)"(?:[^>]*\bvalue="([^"]*)")?')
OPTION = re.compile(r'<select\b[^>]*\bname="([^"]+)".*?<option value="([^"]+)"', re.DOTALL)


def _searches(page: str) -> set[str]:
    """What the page's search forms ask for as they stand."""
    found = set()
    for action, body in FORM.findall(page):
        fields = dict(FIELD.findall(body)) | dict(OPTION.findall(body))
        found.add(f"{unescape(action).partition('?')[0]}?{urlencode(fields)}")
    return found


def test_no_get_calls_an_outside_service(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people(session)
    app.config["RATELIMIT_ENABLED"] = False
    rows = make_rows(app, session, people)
    session.query(AiConnection).update({"embedding_model": "vectors"})
    session.commit()
    at, called = "", set[str]()

    def refuse(_transport: OutboundTransport, _request: Any) -> Any:
        called.add(at)
        raise OSError("A GET asked an outside service.")

    monkeypatch.setattr(OutboundTransport, "handle_request", refuse)
    browser: FlaskClient = browser_of(app, session, people.owner)
    program = program_of(app, session, people.owner)
    searches = set[str]()
    for entry in app.url_map.iter_rules():
        if "GET" in (entry.methods or ()) and NEEDED[entry.endpoint] != "anyone":
            at = address(entry.rule, rows) + query_of(entry.endpoint)
            answer = (program if entry.rule.startswith("/api/") else browser).get(at)
            if answer.mimetype == "text/html":
                searches |= _searches(answer.text)
    assert len(searches) > 5
    for at in sorted(searches):
        browser.get(at)
    app.config["RATELIMIT_ENABLED"] = True
    assert called == set()
