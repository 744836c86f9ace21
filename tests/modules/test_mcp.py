"""The endpoint for AI assistants: the protocol, each tool, and that keys, scopes, roles and sites hold there too."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.business.accounts.models import ApiKey
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from tests.factories import make_cluster, make_incident, make_sector, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, make_people, program_of

MCP = "/api/mcp/"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rule(session: Session, people: People) -> AutomationRule:
    return make_rule(
        session,
        people.account,
        name="Ideas",
        trigger="cluster_created",
        record_type="cluster",
        schedule={},
        conditions={"field": "keyword_count", "operator": "gte", "value": 3},
        actions=[{"type": "generate_ideas", "params": {}}],
    )


@pytest.fixture
def operator(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.operator)


def send(
    client: FlaskClient, method: str, headers: dict[str, str] | None = None, **params: Any
) -> TestResponse:
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    return client.post(MCP, json=message, headers=headers or {})


def use(client: FlaskClient, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the tool came to; `said` is its text."""
    answer = send(client, "tools/call", name=tool, arguments=arguments).json
    assert answer["id"] == 7
    result: dict[str, Any] = answer["result"]
    return result | {"said": result["content"][0]["text"]}


def test_the_handshake_and_the_list_of_tools(operator: FlaskClient) -> None:
    for asked, spoken in (("2025-06-18", "2025-06-18"), ("2024-01-01", "2025-11-25")):
        answer = send(operator, "initialize", protocolVersion=asked, capabilities={}, clientInfo={})
        assert answer.json["result"]["protocolVersion"] == spoken
        assert answer.json["result"]["capabilities"] == {"tools": {}}
    note = operator.post(MCP, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (note.status_code, note.data) == (202, b"")
    tools = {tool["name"]: tool for tool in send(operator, "tools/list").json["result"]["tools"]}
    assert len(tools) == 8
    assert "max_credits" in tools["execute_rule"]["inputSchema"]["required"]
    assert [name for name, tool in tools.items() if not tool["annotations"]["readOnlyHint"]] == [
        "execute_rule"
    ]
    assert send(operator, "ping").json == {"jsonrpc": "2.0", "id": 7, "result": {}}


def test_a_version_without_a_handshake(operator: FlaskClient) -> None:
    head = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover"}
    found = send(operator, "server/discover", head, _meta=META)
    assert found.json["result"]["supportedVersions"] == ["2026-07-28"]
    assert found.json["result"]["resultType"] == "complete"
    other = send(operator, "tools/list", head, _meta=META)
    assert (other.status_code, other.json["error"]["code"]) == (400, -32020)
    old = META | {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}
    head |= {"MCP-Protocol-Version": "2027-01-01"}
    unknown = send(operator, "server/discover", head, _meta=old)
    assert (unknown.status_code, unknown.json["error"]["data"]["supported"]) == (400, ["2026-07-28"])


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"id": 1, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop_tables"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}, -32602),
    ],
)
def test_what_is_no_request_of_ours_is_an_error_with_a_sentence(
    operator: FlaskClient, message: dict[str, Any], code: int
) -> None:
    answer = operator.post(MCP, json=message).json
    assert (answer["error"]["code"], answer["error"]["message"][-1]) == (code, ".")


@pytest.mark.parametrize(
    ("sent", "answered", "is_taken"),
    [
        ("7", 7, True), ("7.0", 7, True), ('"seven"', "seven", True), ("null", None, True), ("7.5", None, False),
        ("true", None, False), ("[7]", None, False), ('{"a": 7}', None, False),
    ],
)  # fmt: skip
def test_an_answer_has_the_id_of_its_request_if_it_is_a_text_or_a_whole_number(
    operator: FlaskClient, sent: str, answered: int | str | None, is_taken: bool
) -> None:
    text = f'{{"jsonrpc": "2.0", "id": {sent}, "method": "ping"}}'
    answer = operator.post(MCP, data=text, content_type="application/json").json
    assert (answer["id"], "result" in answer) == (answered, is_taken)
    assert is_taken or answer["error"]["message"] == "id is a text or a whole number."


def test_what_comes_from_elsewhere_is_refused(app: Flask, operator: FlaskClient) -> None:
    assert operator.get(MCP).status_code == 405
    assert send(operator, "ping", {"Origin": "https://evil.example"}).status_code == 403
    assert send(operator, "ping", {"MCP-Protocol-Version": "1999-01-01"}).json["error"]["code"] == -32022
    assert app.test_client().post(MCP, json={}).status_code == 401


def test_each_reading_tool_says_what_the_api_says(
    session: Session, people: People, operator: FlaskClient, rule: AutomationRule
) -> None:
    sector = make_sector(session, make_site(session, people.account))
    cluster = make_cluster(session, sector, name="Oak")
    run = make_run(session, rule, "failed", reason="action_failed", error_message="The service is away.")
    incident = make_incident(session, people.account)
    session.commit()
    shown = use(operator, "list_rules", text="idea")["structuredContent"]["results"]
    assert [(row["id"], row["name"]) for row in shown] == [(rule.id, "Ideas")]
    assert shown[0]["summary"].startswith("When clusters are made")
    failed = use(operator, "list_runs", status="failed", rule=rule.id)["structuredContent"]["results"]
    assert [row["error_message"] for row in failed] == ["The service is away."]
    assert use(operator, "list_runs", after="2100-01-01")["structuredContent"]["results"] == []
    whole = use(operator, "explain_run", run=run.id)
    assert whole["structuredContent"] == operator.get(f"/api/automation/scheduled-tasks/{run.id}/").json
    why = use(operator, "why_nothing_happened", rule=rule.id, record=cluster.id)
    address = f"/api/automation/rules/{rule.id}/why/?record_id={cluster.id}"
    assert why["structuredContent"]["headline"] == operator.get(address).json["headline"]
    trial = use(operator, "test_rule", rule=rule.id, record=cluster.id)["structuredContent"]
    assert (trial["would_run"], trial["conditions"]["result"]) == (False, False)
    price = use(operator, "price_rule", rule=rule.id, records=[cluster.id])["structuredContent"]
    assert (
        price
        == operator.post(f"/api/automation/rules/{rule.id}/price/", json={"record_ids": [cluster.id]}).json
    )
    found = use(operator, "list_incidents", status="open")["structuredContent"]["results"]
    assert [row["id"] for row in found] == [incident.id]


def test_a_start_needs_a_bound_and_keeps_to_it(
    session: Session, people: People, operator: FlaskClient, rule: AutomationRule
) -> None:
    cluster = make_cluster(session, make_sector(session, make_site(session, people.account)), name="Oak")
    session.commit()
    without = use(operator, "execute_rule", rule=rule.id, records=[cluster.id])
    assert (without["isError"], "max_credits" in without["said"]) == (True, True)
    assert session.scalar(select(func.count(ScheduledTask.id))) == 0
    started = use(
        operator, "execute_rule", rule=rule.id, records=[cluster.id], max_credits=5, even_if_off=True
    )
    assert started["structuredContent"]["max_credits"] == 5
    assert session.scalars(select(ScheduledTask.cause)).one() == "api"


def test_roles_scopes_and_sites_hold(
    app: Flask, session: Session, people: People, rule: AutomationRule
) -> None:
    viewer = program_of(app, session, people.viewer)
    assert not use(viewer, "list_rules")["isError"]
    refused = use(viewer, "execute_rule", rule=rule.id, max_credits=5)
    assert (refused["isError"], refused["said"]) == (
        True,
        "This is open to operators, editors and owners; your role is viewer. "
        "An owner of the account can change that.",
    )
    stranger = program_of(app, session, make_people(session).owner)
    missing = use(stranger, "test_rule", rule=rule.id)
    assert missing["said"] == use(stranger, "test_rule", rule=10**9)["said"]
    limited = program_of(app, session, people.owner)
    elsewhere = make_sector(session, make_site(session, people.account))
    key = session.scalars(select(ApiKey).where(ApiKey.user_id == people.owner.id)).one()
    key.scopes = ["read"]
    session.commit()
    assert not use(limited, "test_rule", rule=rule.id)["isError"]
    assert (
        "needs a key with the scope run" in use(limited, "execute_rule", rule=rule.id, max_credits=5)["said"]
    )
    key.site_ids = [elsewhere.site_id]
    session.commit()
    assert use(limited, "list_rules")["structuredContent"]["results"] == []
    assert use(limited, "test_rule", rule=rule.id)["said"] == missing["said"]
    wrong = use(limited, "explain_run", run="7")
    assert (wrong["isError"], wrong["said"].startswith("run: ")) == (True, True)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{MCP}"
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
def test_the_official_client_is_understood(
    app: Flask, operator: FlaskClient, rule: AutomationRule, mode: str, version: str
) -> None:
    """Only where it is installed (`pip install mcp`): it brings a web server of its own, so it is no dependency."""
    client = pytest.importorskip("mcp.client.client")
    http = pytest.importorskip("mcp.client.streamable_http")
    key = operator.environ_base["HTTP_AUTHORIZATION"]

    async def ask(address: str) -> None:
        async with httpx2.AsyncClient(headers={"Authorization": key}) as by_key:
            transport = http.streamable_http_client(address, http_client=by_key)
            async with client.Client(transport, mode=mode) as asked:
                assert asked.protocol_version == version
                assert {tool.name for tool in (await asked.list_tools()).tools} >= {
                    "list_rules",
                    "execute_rule",
                }
                found = await asked.call_tool("list_rules", {"text": "Ideas"})
                assert found.structured_content["results"][0]["id"] == rule.id
                refused = await asked.call_tool("execute_rule", {"rule": rule.id})
                assert refused.is_error
                assert "max_credits" in refused.content[0].text

    with served(app) as address:
        asyncio.run(ask(address))
