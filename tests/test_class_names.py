"""One name means one thing: no two public classes of the product share theirs."""

import ast
from collections import defaultdict
from pathlib import Path

APP = Path(__file__).parent.parent / "app"
OF_A_LIBRARY = {"Meta"}
"""WTForms reads options of a form from an inner class of this name."""


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(APP)))
    assert len(homes) > 900
    shared = {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in OF_A_LIBRARY}
    assert not shared
