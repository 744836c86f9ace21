"""Tools that no one here wrote, run as their users run them."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "data" / "openapi.json"
real = pytest.mark.skipif(os.environ.get("CLIENTS") != "real", reason="only with CLIENTS=real")


def run(*command: str | Path, cwd: Path) -> str:
    ended = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    return ended.stdout


def fails(*command: str | Path, cwd: Path) -> str:
    ended = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode != 0, ended.stdout
    return ended.stdout
