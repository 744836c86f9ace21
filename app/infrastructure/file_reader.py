"""Uploaded files are read in a separate process, with limits on time and memory.

What a file unpacks to is known only by unpacking it. Here that costs one child process at most, and blocks neither
the web server's threads nor a transaction.
"""

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from app.business.errors import Busy, Invalid, Refusal, TooLarge
from app.business.planner.services.import_file import FileChoices, ImportFile, read_import_file
from app.business.planner.services.keyword_file import check_size
from app.business.planner.services.keyword_rows import RowError
from app.business.planner.services.keyword_table import NoKeywordColumn
from app.business.planner.services.keyword_workbook import SheetSeen, is_workbook

SECONDS_LIMIT = 20
MEMORY_LIMIT = 1024**3
AT_ONCE = 2
"""Children of one process of ours; further readers wait for QUEUE_SECONDS."""
QUEUE_SECONDS = 10
SMALL_TEXT = 32 * 1024
"""Up to this size a text is read in this process: it cannot unpack, and starting a child would take longer."""
TOO_MUCH = (
    "This file takes more time or memory than one file may. Save its keyword sheet alone, as .csv, "
    "or split it."
)
_CHILD = Path(__file__).with_name("file_reader_child.py")

_free = BoundedSemaphore(AT_ONCE)
log = logging.getLogger(__name__)


def read_in_bounds(data: bytes, choices: FileChoices) -> ImportFile:
    """Read an uploaded file. Call it outside of transactions.

    Raises TooLarge and Invalid as `read_import_file` does, TooLarge also for one that passes the limits, Busy.
    """
    check_size(data)
    if len(data) <= SMALL_TEXT and not is_workbook(data):
        return read_import_file(data, choices)
    if not _free.acquire(timeout=QUEUE_SECONDS):
        raise Busy("Other files are being read at this moment. Send it again in a few seconds.")
    try:
        return _answer_of(_ask_child(data, choices))
    finally:
        _free.release()


def _ask_child(data: bytes, choices: FileChoices) -> bytes:
    order = {"choices": asdict(choices), "seconds": SECONDS_LIMIT, "memory": MEMORY_LIMIT}
    inherited = ("PATH", "LD_LIBRARY_PATH")
    try:
        done = subprocess.run(  # noqa: S603 - our own program, told what to do on its input
            [sys.executable, "-I", str(_CHILD)],
            input=json.dumps(order).encode() + b"\n" + data,
            capture_output=True,
            timeout=SECONDS_LIMIT + 10,
            env={name: os.environ[name] for name in inherited if name in os.environ},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooLarge(TOO_MUCH) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-500:].strip()
        log.warning("a file of %d bytes was not read, exit code %d: %s", len(data), done.returncode, said)
        raise TooLarge(TOO_MUCH)
    return done.stdout


def _answer_of(output: bytes) -> ImportFile:
    line, _, rows = output.partition(b"\n")
    answer: dict[str, Any] = json.loads(line)
    if (by_field := answer.get("errors_by_field")) is not None:
        if "headers" not in answer:
            raise Invalid(by_field)
        raise NoKeywordColumn(by_field, answer["headers"], [SheetSeen(**sheet) for sheet in answer["sheets"]])
    if message := answer.get("refusal"):
        raise TooLarge(message) if answer["status"] == TooLarge.status else Refusal(message)
    for name in ("errors", "left_out", "notes"):
        answer[name] = [RowError(**one) for one in answer[name]]
    answer["sheets"] = [SheetSeen(**sheet) for sheet in answer["sheets"]]
    return ImportFile(**answer, rows=rows)
