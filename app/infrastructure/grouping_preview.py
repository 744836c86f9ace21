"""Previews of grouping are made in a separate process: the encoder stays out of the web server's memory and threads."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore

from app.business.errors import Busy
from app.business.planner.models import Grouping, Tightness
from app.business.planner.services.grouping_preview import GroupingPreview, PreviewOrder, PreviewSample

SECONDS_LIMIT = 60
QUEUE_SECONDS = 10
_CHILD = Path(__file__).with_name("grouping_preview_child.py")
_LATER = "The machine is busy at this moment. Ask for the preview again in a minute."

_free = BoundedSemaphore(1)
log = logging.getLogger(__name__)


def preview_apart(sample: PreviewSample, grouping: Grouping, tightness: Tightness) -> GroupingPreview:
    """Call it outside of transactions. Raises Busy."""
    if not _free.acquire(timeout=QUEUE_SECONDS):
        raise Busy(_LATER)
    try:
        return _ask_child(
            PreviewOrder(sample=sample, grouping=grouping, tightness=tightness).model_dump_json()
        )
    finally:
        _free.release()


def _ask_child(order: str) -> GroupingPreview:
    inherited = ("PATH", "LD_LIBRARY_PATH")
    try:
        done = subprocess.run(  # noqa: S603 - our own program, told what to do on its input
            [sys.executable, "-I", str(_CHILD)],
            input=order.encode(),
            capture_output=True,
            timeout=SECONDS_LIMIT,
            env={name: os.environ[name] for name in inherited if name in os.environ}
            | {"OMP_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Busy(_LATER) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-500:].strip()
        log.warning("no preview of grouping, exit code %d: %s", done.returncode, said)
        raise Busy(_LATER)
    answer = json.loads(done.stdout)
    return GroupingPreview([(name, texts) for name, texts in answer["clusters"]], answer["alone"])
