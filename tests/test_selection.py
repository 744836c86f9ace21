"""What `make test-fast` leaves out is named by tests that exist: one that was renamed would quietly come back."""

import ast
from functools import cache
from pathlib import Path

from tests.selection import NOT_FAST

FOLDER = Path(__file__).parent


@cache
def functions_of(file: str) -> set[str]:
    path = FOLDER / file
    if not path.exists():
        return set()
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_each_test_that_is_left_out_exists() -> None:
    named = [line.split("::") for line in NOT_FAST.read_text().split()]
    assert len(named) > 100
    assert [(file, name) for file, name in named if name not in functions_of(file)] == []
