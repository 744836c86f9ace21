"""The child of `grouping_preview`: order on standard input, clusters on standard output. Executed by its path."""

import json
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    from app.business.planner.services.grouping_preview import PreviewOrder

    found = PreviewOrder.model_validate_json(sys.stdin.read()).preview()
    json.dump({"clusters": found.clusters, "alone": found.alone}, sys.stdout)


if __name__ == "__main__":
    # Modules below `app` are imported without `app` itself, which loads the whole application.
    package = ModuleType("app")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["app"] = package
    main()
