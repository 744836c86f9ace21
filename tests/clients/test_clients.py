"""Clients in strict languages, written from the document of the API, call a live server.

The client in one file is tried in every run. CLIENTS=real tries what well-known generators make of the document, with
the compilers that their users have: `make test-clients` needs Node, and fetches them.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.clients.commands import DOCUMENT, HERE, fails, real, run
from tests.clients.one_file import one_file_client
from tests.people import make_people, program_of
from tests.served import served

UV = Path(sys.executable).parent / "uv"
GENERATOR = "openapi-python-client==0.29.1"
LIBRARIES = ("httpx==0.28.1", "attrs==26.1.0", "python-dateutil==2.9.0.post0", "mypy==2.4.1")
PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20")
STRICT = (
    *("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--skipLibCheck"),
    *("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--types", "node"),
)
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def server(app: Flask, session: Session) -> Iterator[tuple[str, str]]:
    """Its address, and the key of an editor."""
    people = make_people(session)
    key = program_of(app, session, people.editor).environ_base["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    with served(app) as (address, _):
        yield address, key


def test_a_typed_client_in_one_file_runs_the_six_functions(server: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "igny8_client.py").write_text(one_file_client(json.loads(DOCUMENT.read_text())))
    functions = (HERE / "six_functions.py.txt").read_text()
    (tmp_path / "six_functions.py").write_text(functions)
    (tmp_path / "wrong.py").write_text(functions.replace('"max_credits": 50', '"max_credits": "50"'))
    strictly = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache")
    run(*strictly, "igny8_client.py", "six_functions.py", cwd=tmp_path)
    assert 'expected "ExecuteRule | None"' in fails(*strictly, "wrong.py", cwd=tmp_path)
    run(sys.executable, "six_functions.py", *server, cwd=tmp_path)


@real
def test_the_package_of_openapi_python_client_is_strictly_typed_and_runs(
    server: tuple[str, str], tmp_path: Path
) -> None:
    said = run(
        *(UV, "tool", "run", "--from", GENERATOR, "openapi-python-client", "generate", "--path", DOCUMENT),
        *("--meta", "none", "--output-path", "igny8_client"),
        cwd=tmp_path,
    )
    left_out = [line for line in said.splitlines() if "will not be generated" in line]
    assert left_out == []
    (tmp_path / "six_package.py").write_text((HERE / "six_package.py.txt").read_text())
    within = (UV, "run", "--no-project", *(part for name in LIBRARIES for part in ("--with", name)))
    # The generator's own part of the package, which is the same for every document, is not strict with httpx.
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-igny8_client.client]\nignore_errors = True\n")
    run(*within, "mypy", "--strict", "six_package.py", "igny8_client", cwd=tmp_path)
    run(*within, "python", "six_package.py", *server, cwd=tmp_path)


@real
def test_the_types_of_openapi_typescript_compile_strictly_and_run(
    server: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "six_functions.ts").write_text((HERE / "six_functions.ts.txt").read_text())
    run("npm", "install", "--silent", "--no-fund", "--no-audit", *PACKAGES, cwd=tmp_path)
    # A field with a default may be left out of what is sent.
    types = ("openapi-typescript", DOCUMENT, "--default-non-nullable=false", "-o", "schema.d.ts")
    run("npx", *types, cwd=tmp_path)
    run("npx", "tsc", *STRICT, "six_functions.ts", cwd=tmp_path)
    assert run("node", "six_functions.js", *server, cwd=tmp_path).strip() == "all six"
    wrong = (tmp_path / "six_functions.ts").read_text().replace("max_credits: 50", 'max_credits: "50"')
    (tmp_path / "wrong.ts").write_text(wrong)
    assert "TS2322" in fails("npx", "tsc", *STRICT, "--noEmit", "wrong.ts", cwd=tmp_path)
