"""HTTP as every library knows it: HEAD, OPTIONS, wrong methods, and conditional reading, over all calls of the API."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.modules.api.declaration import declared_calls
from tests.modules.permissions import address, make_rows
from tests.people import make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
OWN_LENGTH = ("Content-Length", "ETag", "Content-Type")
NEEDS_MORE = "automation_api.explain_rule"
"""It is asked something in the address."""


def test_every_call_answers_to_head_options_and_what_is_known_already(app: Flask, session: Session) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    people = make_people(session)
    ids = make_rows(app, session, people)
    program = program_of(app, session, people.owner)
    methods: dict[str, set[str]] = {}
    for call in declared_calls(app).values():
        methods.setdefault(call.path, set()).add(call.method)
    tagged = 0
    for entry in app.url_map.iter_rules():
        call = declared_calls(app).get(entry.endpoint)
        if call is None or call.permission.has_proof:
            continue
        path = address(entry.rule, ids)
        allowed = methods[call.path] | {"OPTIONS"} | ({"HEAD"} if "GET" in methods[call.path] else set())
        options = program.options(path)
        assert options.status_code == 200, path
        assert set(options.headers["Allow"].split(", ")) == allowed, path
        wrong = program.open(path, method="PROPFIND")
        assert wrong.status_code == 405, path
        assert wrong.mimetype == "application/problem+json"
        assert set(wrong.headers["Allow"].split(", ")) == allowed, path
        if call.method == "GET":
            shown, head = program.get(path), program.head(path)
            assert shown.status_code == (400 if entry.endpoint == NEEDS_MORE else 200), path
            assert (head.status_code, head.data) == (shown.status_code, b""), path
            for name in OWN_LENGTH:
                assert head.headers.get(name) == shown.headers.get(name), (path, name)
            assert ("ETag" in shown.headers) == call.if_match, path
            if tag := shown.headers.get("ETag"):
                known = program.get(path, headers={"If-None-Match": f'"other", {tag}'})
                assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", tag), path
                assert program.get(path, headers={"If-None-Match": '"other"'}).data == shown.data
                tagged += 1
    assert tagged > 10
