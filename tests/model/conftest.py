"""A real local model for all tests of this folder; without MODEL=real they are skipped.

Not part of `make test`: the model and its server are 160 MB, and how fast they are depends on the machine. Everything
that an answer may look like is tested there against stand-ins; these tests show that a real model behind a real server
is asked, read, waited for and left as we think. `make test-model` installs both, for Linux on x86-64.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.infrastructure.ai.endpoint import Endpoint
from app.infrastructure.ai.openai_compatible import OpenAICompatible
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.outbound.transport import MEGABYTE, Bounds
from app.settings import Settings
from tests.model.local_service import ENOUGH, WEIGHTS, LocalService, local_service

Connect = Callable[..., OpenAICompatible]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("MODEL") != "real":
        pytest.skip("needs a real local model: make test-model")
    assert WEIGHTS.exists(), f"MODEL_FOLDER holds no model: {WEIGHTS}"
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="session")
def service(folder: Path) -> Iterator[LocalService]:
    with local_service(folder, *ENOUGH) as service:
        yield service


def connected(url: str, silence: float = 120, total: float = 900) -> OpenAICompatible:
    """Our own client, as accounts have it."""
    bounds = Bounds(silence=silence, total=total, size=8 * MEGABYTE)
    return OpenAICompatible(
        Endpoint(url, "", "smollm2", embedding_model="smollm2"), OutboundPolicy.of(Settings(), url), bounds
    )
