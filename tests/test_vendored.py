"""Files of other projects are served unchanged: each has the sum that the list of them names."""

import re
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTED = ROOT / "static/vendor/VENDORED.md"


def test_vendored_files_are_unchanged() -> None:
    rows = re.findall(r"^\| `([^`]+)`.*`([0-9a-f]{64})` \|$", LISTED.read_text(), re.M)
    sums = {
        next(path for path in (LISTED.parent / name, ROOT / name) if path.exists()): digest
        for name, digest in rows
    }
    assert {path: sha256(path.read_bytes()).hexdigest() for path in sums} == sums
    served = {path for kind in ("*.js", "*.css") for path in LISTED.parent.rglob(kind)}
    assert served <= sums.keys()
