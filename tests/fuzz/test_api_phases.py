"""The API under all phases of Schemathesis: examples, coverage of every constraint, fuzzing, and chains of calls that
follow from answers. As its users run it: from outside, against a server.
"""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.fuzz.world import make_world, steady
from tests.served import served

PHASES = "examples,coverage,fuzzing,stateful"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
WAITING = ("execute_rule", "test_ai", "test_wordpress", "test_webhook")
"""They wait on purpose, or ask a service outside."""
REQUESTS, SECONDS, SEED = 5_000, 300, 16


@pytest.mark.full_trials
@pytest.mark.both_databases
def test_no_phase_finds_a_fault_or_an_answer_that_is_not_in_the_document(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    world = make_world(app, session)
    session.commit()
    steady(app)
    app.config.update(PROPAGATE_EXCEPTIONS=False)
    key = world.api.environ_base["HTTP_AUTHORIZATION"]
    try:
        with served(app) as (address, count):
            for number in itertools.count(SEED):
                found = run_of_schemathesis(address, key, number, tmp_path)
                assert found.returncode == 0, found.stdout[-20_000:]
                if count() >= REQUESTS:
                    return
    finally:
        app.config.update(PROPAGATE_EXCEPTIONS=None, RATELIMIT_ENABLED=True)


def run_of_schemathesis(
    address: str, key: str, number: int, folder: Path
) -> subprocess.CompletedProcess[str]:
    """All phases once; fuzzing and chains of calls take as many requests as the time allows."""
    return subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "run", f"{address}/api/openapi.json"),
            *("--header", f"Authorization: {key}", "--phases", PHASES, "--checks", CHECKS),
            *("--max-time", str(SECONDS), "--max-examples", "10", "--seed", str(number)),
            *(
                "--continue-on-failure",
                "--no-color",
                "--suppress-health-check",
                "all",
                "--request-timeout",
                "60",
            ),
            *[part for name in WAITING for part in ("--exclude-operation-id", name)],
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
