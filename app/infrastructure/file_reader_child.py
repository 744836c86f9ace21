"""The child of `file_reader`: order and file on standard input, the result on standard output.

Executed by its path.
"""

import json
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Read one file within the limits of the order."""
    order = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    head, rows = _read(sys.stdin.buffer.read(), order["choices"])
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + rows)


def _read(data: bytes, choices: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from app.business.errors import Invalid, Refusal
    from app.business.planner.services.import_file import FileChoices, read_import_file
    from app.business.planner.services.keyword_table import NoKeywordColumn

    try:
        found = read_import_file(data, FileChoices(**choices))
    except NoKeywordColumn as refusal:
        sheets = [vars(sheet) for sheet in refusal.sheets]
        return {"errors_by_field": refusal.errors, "headers": refusal.headers, "sheets": sheets}, b""
    except Invalid as refusal:
        return {"errors_by_field": refusal.errors}, b""
    except Refusal as refusal:
        return {"refusal": refusal.message, "status": refusal.status}, b""
    head = {name: value for name, value in vars(found).items() if name != "rows"}
    for name in ("errors", "left_out", "notes", "sheets"):
        head[name] = [vars(one) for one in head[name]]
    return head, found.rows


def _without_the_application() -> None:
    """Let modules below `app` be imported without `app` itself, which loads the whole application."""
    package = ModuleType("app")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["app"] = package


if __name__ == "__main__":
    _without_the_application()
    main()
