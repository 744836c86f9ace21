"""The database locked, its disk full, the queue server down, while people and programs go on working.

The trials check what they read and what the log says, and that nothing is lost, duplicated or half-written.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fleet.storm import FULL
from tests.faults.outages.installation import (
    LONGEST_LINE,
    Installation,
    fill,
    installed,
    small_disk,
)
from tests.processes import eventually

LOCKED_SECONDS, GONE_SECONDS, FULL_SECONDS = (60, 120, 60) if FULL else (0, 3, 0)
"""At least; an outage lasts until everybody has met it."""
SITE = {"name": "Typed by a person", "language": "en", "status": "active"}


@pytest.fixture(scope="module")
def own_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    folder = tmp_path_factory.mktemp("outages")
    with small_disk(folder / "disk") as is_own:
        yield folder, is_own


@pytest.fixture(scope="module")
def place(own_disk: tuple[Path, bool]) -> Iterator[Installation]:
    folder, _ = own_disk
    with installed(folder, folder / "disk" / "var") as place:
        yield place


def last_at_least(since: float, seconds: float) -> None:
    time.sleep(max(0.0, since + seconds - time.monotonic()))


def meet(place: Installation, sentence: str, retry_after: str) -> None:
    """A person and a program are told what happened and what to do, and nothing of theirs is written."""
    with ThreadPoolExecutor() as callers:
        asked = callers.submit(place.person.ask, "/sites/new", **SITE), callers.submit(place.add_keyword)
    for answer in (one.result() for one in asked):
        assert (answer.status, answer.headers["Retry-After"]) == (503, retry_after), answer.text
        assert sentence in answer.text
        assert "Nothing was saved." in answer.text
    assert place.program.ask("/healthz").status == 200
    assert place.person.ask("/keywords").status == 200


def log_is_short(place: Installation, position: int, cause: str) -> None:
    """Each process logged the cause, in single lines; nobody filled pages, or wrote down what was typed."""
    lines = place.lines_since(position)
    assert any(cause in line for line in lines)
    assert not [line for line in lines if "Traceback" in line or len(line) > LONGEST_LINE]
    assert not [line for line in lines if SITE["name"] in line]


def worker_said(place: Installation, position: int, cause: str) -> bool:
    return any(f'"cause": "{cause}"' in line for line in place.lines_since(position))


def comes_to_rest(place: Installation) -> None:
    """Nothing lost, nothing duplicated, and the product's own audit finds nothing."""
    eventually(place.is_ready, within=90, what=f"ready again: {place.checks()}")
    assert place.add_keyword().status == 201
    eventually(lambda: not place.unanswered(), within=120, what=place.unanswered())
    audited = place.audit()
    assert audited.returncode == 0, audited.stderr
    assert place.rows(f"SELECT id FROM site WHERE name = '{SITE['name']}'") == []


def test_a_locked_database(place: Installation, record_property: Callable[[str, Any], None]) -> None:
    eventually(place.is_ready, what="ready")
    assert place.add_keyword().status == 201
    position, since = place.log.stat().st_size, time.monotonic()
    lock = sqlite3.connect(place.folder / "igny8.sqlite3", isolation_level=None, timeout=20)
    lock.execute("BEGIN IMMEDIATE")
    try:
        meet(place, "The database is busy", "10")
        checks = place.checks()
        assert (checks["database"], checks["queue"]) == ("locked", "ok")
        eventually(lambda: worker_said(place, position, "database locked"), what="a worker told the cause")
        last_at_least(since, LOCKED_SECONDS)
    finally:
        lock.close()
    comes_to_rest(place)
    log_is_short(place, position, "database locked: POST /sites/new")
    record_property("figure", f"database locked for {time.monotonic() - since:.0f} s: lost 0, doubled 0")


def test_a_full_disk(
    place: Installation, own_disk: tuple[Path, bool], record_property: Callable[[str, Any], None]
) -> None:
    folder, is_own = own_disk
    if not is_own:
        pytest.skip("A disk of its own takes the right to mount.")
    eventually(place.is_ready, what="ready")
    position, since = place.log.stat().st_size, time.monotonic()
    ballast = fill(folder / "disk")
    try:
        while place.add_keyword().status == 201:
            fill(folder / "disk")
        meet(place, "Whoever runs this machine must free space.", "60")
        checks = place.checks()
        assert (checks["database"], checks["queue"]) == ("full", "ok")
        last_at_least(since, FULL_SECONDS)
    finally:
        ballast.unlink()
    comes_to_rest(place)
    log_is_short(place, position, "database full: POST /sites/new")
    record_property("figure", f"disk full for {time.monotonic() - since:.0f} s: lost 0, doubled 0")


def test_a_queue_server_that_is_down(
    place: Installation, record_property: Callable[[str, Any], None]
) -> None:
    eventually(place.is_ready, what="ready")
    position, since = place.log.stat().st_size, time.monotonic()
    place.queue.kill()
    assert place.add_keyword().status == 201
    checks = place.checks()
    assert (checks["database"], checks["queue"]) == ("ok", "not answering")
    assert "Not working: Queue server." in place.person.ask("/system/trouble").text
    last_at_least(since, GONE_SECONDS)
    assert place.add_keyword().status == 201
    place.queue.start()
    comes_to_rest(place)
    log_is_short(place, position, "queue_server_away")
    record_property("figure", f"queue server gone for {time.monotonic() - since:.0f} s: lost 0, doubled 0")


@pytest.mark.full_trials
def test_a_build_without_its_safeguards_is_found(tmp_path: Path) -> None:
    with installed(tmp_path, tmp_path / "var", plant="write_tracebacks,lose_what_was_not_delivered") as place:
        eventually(place.is_ready, what="ready")
        position = place.log.stat().st_size
        lock = sqlite3.connect(place.folder / "igny8.sqlite3", isolation_level=None, timeout=20)
        lock.execute("BEGIN IMMEDIATE")
        try:
            eventually(lambda: any("sweep_step_failed" in line for line in place.lines_since(position)))
        finally:
            lock.close()
        with pytest.raises(AssertionError):
            log_is_short(place, position, "sweep_step_failed")
        eventually(place.is_ready, within=90, what="ready again")
        assert place.add_keyword().status == 201
        swept = place.log.stat().st_size
        place.sweep()
        assert place.unanswered(), place.lines_since(swept)
