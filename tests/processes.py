"""Real processes for tests: commands started with an environment, awaited, and always ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from app import ROOT
from app.infrastructure.process_life import die_with_parent

FLASK = [sys.executable, "-m", "flask", "--app", "wsgi"]
Found = TypeVar("Found")


def clean_environment(**values: str) -> dict[str, str]:
    """This process's environment without the product's own settings, and with `values`."""
    ours = (
        "PORT",
        "HOST",
        "PUBLIC_URL",
        "DATA_DIR",
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "WORKERS",
        "TZ",
    )
    return {key: value for key, value in os.environ.items() if key not in ours} | values


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The command while the block runs; both its outputs go to `log`. It ends with the tests, however they end."""
    tests = os.getpid()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(tests),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on; two callers at the same moment get two."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def eventually(find: Callable[[], Found | None], within: float = 60, what: str = "") -> Found:
    """The first true answer of `find`."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if found := find():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what}")


def family_of(pid: int) -> list[int]:
    """Ids of all processes below `pid`, children before grandchildren."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(child) for child in listing.read_text().split()] if listing.exists() else []
    return children + [grandchild for child in children for grandchild in family_of(child)]


def title_of(pid: int) -> str:
    """The process title, as `ps` shows it; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
