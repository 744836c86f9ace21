"""Commands of the product as `flask --app wsgi` runs them, in forks of a process that has the product loaded.

Each line of its standard input is an order, `{"arguments", "environment", "folder"}`: it answers with the exit code
once the command has ended, and the folder has what the command got and wrote.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from flask.cli import main

from app import ROOT, modules  # noqa: F401 - what a start loads
from app.infrastructure.process_life import die_with_parent
from tests.processes import clean_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""`run("audit", environment={…}, typed="")`: the command of these arguments, once it has ended."""
STREAMS = ("stdin", "stdout", "stderr")
LONGEST_SECONDS = 120
"""A command that should have ended by then is ended."""


@contextmanager
def preloaded() -> Iterator[Run]:
    """One for many commands: to load the product takes longer than most of them."""
    tests = os.getpid()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(tests),
    )
    assert process.stdin
    assert process.stdout
    orders, codes = process.stdin, process.stdout

    def run(
        *arguments: str, environment: Mapping[str, str], typed: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        with TemporaryDirectory(prefix="igny8-command-") as name:
            folder = Path(name)
            for stream in STREAMS:
                (folder / stream).write_text(typed if stream == "stdin" else "")
            order = {"arguments": arguments, "environment": {**environment}, "folder": name}
            orders.write(json.dumps(order) + "\n")
            orders.flush()
            code = int(codes.readline())
            written = [(folder / stream).read_text() for stream in STREAMS[1:]]
        return subprocess.CompletedProcess(arguments, code, *written)

    try:
        yield run
    finally:
        process.kill()
        process.communicate()


def serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - its answer


def become(arguments: list[str], environment: dict[str, str], folder: str) -> NoReturn:
    """The command, to its end."""
    die_with_parent(os.getppid())
    signal.alarm(LONGEST_SECONDS)
    for number, stream in enumerate(STREAMS):
        os.dup2(os.open(f"{folder}/{stream}", os.O_RDWR | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["flask", "--app", "wsgi", *arguments]
    sys.exit(main())


if __name__ == "__main__":
    serve()
