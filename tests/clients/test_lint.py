"""Spectral reads the document of the API, with every rule that it has for OpenAPI."""

import json
from pathlib import Path

from tests.clients.commands import DOCUMENT, HERE, fails, real, run

SPECTRAL = "@stoplight/spectral-cli@6.16.3"


@real
def test_spectral_finds_nothing_in_the_document(tmp_path: Path) -> None:
    run("npm", "install", "--silent", "--no-fund", "--no-audit", SPECTRAL, cwd=tmp_path)
    lint = ("npx", "spectral", "lint", "--ruleset", HERE / "spectral.yaml", "--fail-severity", "hint")
    assert "No results" in run(*lint, DOCUMENT, cwd=tmp_path)
    broken = json.loads(DOCUMENT.read_text())
    del broken["paths"]["/api/automation/rules/"]["get"]["operationId"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert "operation-operationId" in fails(*lint, tmp_path / "broken.json", cwd=tmp_path)
