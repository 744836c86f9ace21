"""Templates, styles and scripts are as narrow as the Python code: a budget of lines says nothing about a wide line."""

from pathlib import Path

import pytest

from app import ROOT

WIDTH = 120
OURS = [ROOT / "templates", ROOT / "static" / "css", ROOT / "static" / "js"]


@pytest.mark.parametrize("folder", OURS, ids=lambda folder: folder.name)
def test_no_line_is_wider_than_the_code(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    wide = [
        f"{path.relative_to(ROOT)}:{number} has {len(line)} characters"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > WIDTH
    ]
    assert not wide, "\n".join(wide)
