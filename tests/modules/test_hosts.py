"""Host names under which the console answers; links never use the name of the request."""

import socket

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.modules.hosts import host_name, is_known
from app.settings import Settings


def _settings(**values: str) -> Settings:
    return Settings(secret_key="a-key-that-only-the-tests-use-0123456789", **values)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("A.Example.", "a.example"),
        ("", ""),
        ("[", ""),
    ],
)
def test_the_name_is_read_without_port_and_brackets(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("values", "name", "known"),
    [
        ({}, "127.0.0.1", True),
        ({}, "localhost", True),
        ({}, "::1", True),
        ({}, "evil.example", False),
        ({}, socket.gethostname().lower(), False),
        ({"public_url": "https://console.example"}, "console.example", True),
        ({"public_url": "https://console.example"}, "127.0.0.1", True),
        ({"public_url": "https://console.example"}, "evil.example", False),
        ({"public_url": "https://console.example", "host": "0.0.0.0"}, socket.gethostname().lower(), False),
        ({"host": "0.0.0.0"}, socket.gethostname().lower(), True),
        ({"host": "0.0.0.0"}, "192.0.2.1", False),
        ({"host": "0.0.0.0"}, "0.0.0.0", False),
        ({"host": "0.0.0.0"}, "evil.example", False),
        ({"host": "0.0.0.0"}, "", False),
    ],
)
def test_a_host_is_known_by_the_settings(values: dict[str, str], name: str, known: bool) -> None:
    assert is_known(name, _settings(**values)) == known


@pytest.mark.parametrize(
    "path", ["/sign-in", "/api/automation/rules/", "/no-such-page", "/static/css/base.css"]
)
def test_another_host_is_refused_everywhere(app: Flask, client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "This console is reached at http://127.0.0.1:8000." in answer.text
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_machines_may_ask_for_health_under_any_name(app: Flask, client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code in (200, 503)
