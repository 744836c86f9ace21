"""Every address of the REST API with generated bodies, queries and headers: no fault, no hang."""

import json
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from tests.fuzz.world import NAMES, ODD, World, make_world, share, steady, within_time

KEYS = st.sampled_from([
    "name", "trigger", "trigger_options", "rule_id", "record_type", "conditions", "actions", "schedule", "cron", "at",
    "timezone", "is_active", "site", "sector", "type", "params", "when", "field", "operator", "value", "all", "not",
    "count", "where", "record_ids", "context", "yaml", "status", "labels", "assignee", "volume", "cluster", "title",
])  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 10**308, 1.5, -0.0, 1e300])
TEXTS = st.sampled_from(
    [*ODD, "keyword", "eq", "schedule", "run_finished", "notify", "0 9 * * *", "Europe/Berlin"]
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=6).map(lambda body: json.dumps(body).encode()) | st.sampled_from([
    b"", b"[]", b"null", b"{", b"[" * 5000,
    b'{"a":1,"a":2}', b'{"wait": NaN}', b"\xff", b'{"rule_id": ' + b"9" * 500 + b"}",
])  # fmt: skip
QUERIES = st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=3)
MATCHES = st.sampled_from([None, "*", '"1"', '"²"', "", "²", 'W/"1"', '"1", "2"', '"'])
NUMBER = st.sampled_from([None, None, None, "0", "987654", str(2**63), "9" * 400, "²", "-1"])


def test_the_api_answers_whatever_is_sent(app: Flask, session: Session) -> None:
    requests, number = share(session)
    world = make_world(app, session)
    steady(app)
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    calls = [
        (rule.rule, method)
        for rule in rules
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
    ]

    @seed(number)
    @settings(
        max_examples=requests,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(calls), BODIES, QUERIES, MATCHES, NUMBER)
    def call(
        call: tuple[str, str], body: bytes, query: dict[str, Any], match: str | None, number: str | None
    ) -> None:
        _send(world, call, body, query, match, number)
        session.rollback()

    try:
        call()
    finally:
        app.config.update(PROPAGATE_EXCEPTIONS=None, RATELIMIT_ENABLED=True)


def _send(
    world: World,
    call: tuple[str, str],
    body: bytes,
    query: dict[str, Any],
    match: str | None,
    number: str | None,
) -> None:
    address, method = world.address(call[0], number), call[1]
    headers = {"Content-Type": "application/json"} | ({} if match is None else {"If-Match": match})
    with within_time((call, body)):
        answer = world.api.open(address, method=method, data=body, query_string=query, headers=headers)
    assert answer.status_code < 500, (address, method, body, query, answer.text)
