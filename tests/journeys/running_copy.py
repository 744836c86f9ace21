"""A copy of the product that runs as a person starts it: `up` in a folder of its own."""

import http.client
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import FLASK, clean_environment, eventually, family_of, free_port, running, title_of

PROCESSES = 6
"""Queue server, web server, clock worker, two step workers, scheduler."""


@dataclass
class Copy:
    """One running copy of the product."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(PORT=str(self.port), DATA_DIR=str(self.data_dir), PYTHONUNBUFFERED="1")

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def family(self) -> list[int]:
        return family_of(self.process.pid)

    def titles(self) -> list[str]:
        return [title_of(pid) for pid in [self.process.pid, *self.family()]]

    def members(self) -> list[int]:
        """The running processes, except copies of the supervisor that are about to become one, or record a restart."""
        titles = {pid: title_of(pid) for pid in self.family()}
        return [pid for pid, title in titles.items() if title and not re.search("supervisor|recorder", title)]

    def is_whole(self) -> bool:
        return len(self.members()) >= PROCESSES and self.get("/readyz") == 200


@contextmanager
def started(folder: Path) -> Iterator[Copy]:
    port = free_port()
    log = folder / f"log-{port}"
    environment = clean_environment(PORT=str(port), DATA_DIR=str(folder / "var"))
    with running([*FLASK, "up"], environment, log) as process:
        copy = Copy(process, port, folder / "var", log)
        eventually(lambda: copy.said("Ready: ") or process.poll() is not None, within=120)
        assert copy.said(f"Ready: http://127.0.0.1:{port}"), log.read_text()
        yield copy
