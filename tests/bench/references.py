"""Libraries that are measured beside the product: installed on first use, apart from what the product needs."""

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path("var/bench-references")
PACKAGES = (
    "apscheduler>=3.11,<4",
    "sqlalchemy>=2,<2.1",
    "celery[redis]>=5.4,<6",
    "rq>=3,<4",
    "psycopg[binary]>=3.2,<4",
    "zen-engine>=2.1,<3",
)
LONGEST_SECONDS = 300


def measured(script: str, *arguments: object, may_install: bool) -> float | None:
    """What `script` beside this file measures; None where its libraries are not there or it fails."""
    path = Path(__file__).with_name(script)
    command = [str(_python()), str(path), *map(str, arguments)]
    try:
        if may_install:
            _install()
        ended = subprocess.run(command, capture_output=True, check=True, timeout=LONGEST_SECONDS)
        return float(json.loads(ended.stdout.splitlines()[-1]))
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        print(f"{script} is missing: {type(error).__name__}", file=sys.stderr)
        return None


def _python() -> Path:
    return FOLDER / "bin/python"


def _install() -> None:
    known = FOLDER / "packages.json"
    if known.exists() and json.loads(known.read_text()) == [*PACKAGES]:
        return
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True, capture_output=True, timeout=120)
    install = [str(_python()), "-m", "pip", "install", "--quiet", "--timeout", "10", *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, timeout=LONGEST_SECONDS)
    known.write_text(json.dumps(PACKAGES))
