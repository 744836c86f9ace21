"""The database locked, its disk full, the queue server down, while people and programs go on working.

The trials check what they read and what the log says, and that nothing is lost, duplicated or half-written.

On PostgreSQL, which takes long to start, only with TRIALS=full. There each table grows by itself: which write meets a
full disk first depends on the room left in pages that are there already.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.faults.outages.installation import (
    LONGEST_LINE,
    Answer,
    Installation,
    fill,
    installed,
    small_disk,
)
from tests.processes import eventually
from tests.sampling import FULL

LOCKED_SECONDS, GONE_SECONDS, FULL_SECONDS = (60, 120, 60) if FULL else (0, 3, 0)
"""At least; an outage lasts until everybody has met it."""
DATABASES = ["sqlite", "postgresql"] if FULL else ["sqlite"]
SITE = {
    "name": "Typed by a person",
    "language": "en",
    "status": "active",
    "grouping": "meaning",
    "tightness": "usual",
}


@pytest.fixture(scope="module")
def own_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    folder = tmp_path_factory.mktemp("outages")
    with small_disk(folder / "disk") as is_own:
        yield folder, is_own


@contextmanager
def database_of(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of an empty PostgreSQL database; nothing for a SQLite file beside the data."""
    if request.param == "sqlite":
        yield ""
        return
    with databases.own_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture(scope="module", params=DATABASES)
def place(request: pytest.FixtureRequest, own_disk: tuple[Path, bool]) -> Iterator[Installation]:
    folder = own_disk[0] / request.param
    folder.mkdir()
    data = (own_disk[0] / "disk" if request.param == "sqlite" else folder) / "var"
    with database_of(request) as url, installed(folder, data, database_url=url) as place:
        yield place


@pytest.fixture(params=DATABASES)
def unsafe_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    plant = "write_tracebacks,lose_what_was_not_delivered"
    with (
        database_of(request) as url,
        installed(tmp_path, tmp_path / "var", plant, database_url=url) as place,
    ):
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


def meet_locked_runs(place: Installation) -> None:
    """Pages and calls about runs say what happened and what to do; everything else goes on."""
    (rule,), (keyword,) = (
        place.rows("SELECT id FROM automation_rule"),
        place.rows("SELECT min(id) FROM keyword"),
    )
    start = f"/api/automation/rules/{rule[0]}/execute/"
    with ThreadPoolExecutor() as callers:
        started = callers.submit(place.program.ask, start, record_ids=list(keyword))
        shown = [
            callers.submit(place.person.ask, page) for page in ("/history", "/rules", f"/rules/{rule[0]}")
        ]
    for answer in (one.result() for one in (started, *shown)):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10"), answer.text
        assert "The database is busy" in answer.text
    assert "Nothing was saved." in started.result().text
    assert place.program.ask("/healthz").status == 200
    assert place.person.ask("/keywords").status == 200
    assert place.add_keyword().status == 201


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
    with place.locked():
        if place.is_sqlite:
            meet(place, "The database is busy", "10")
            checks = place.checks()
            assert (checks["database"], checks["queue"]) == ("locked", "ok")
        else:
            meet_locked_runs(place)
            checks = place.checks()
            assert (checks["database"], checks["queue"]) == ("locked", "ok")
        eventually(lambda: worker_said(place, position, "database locked"), what="a worker told the cause")
        last_at_least(since, LOCKED_SECONDS)
    comes_to_rest(place)
    log_is_short(
        place, position, f"database locked: {'POST /sites/new' if place.is_sqlite else 'GET /history'}"
    )
    figure = f"{place.name} locked for {time.monotonic() - since:.0f} s: lost 0, doubled 0"
    record_property("figure", figure)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
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


@pytest.mark.full_trials
def test_a_full_disk_of_postgresql(
    postgresql_server: str, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    with (
        # Not in pytest's folder: the server has a user of its own, whom pytest shuts out of there.
        tempfile.TemporaryDirectory(prefix="igny8-disk-") as outer,
        small_disk(Path(outer) / "disk", size=96) as is_own,
    ):
        if not is_own:
            pytest.skip("A disk of its own takes the right to mount.")
        Path(outer).chmod(0o755)
        disk = Path(outer) / "disk"
        with (
            databases.own_database(postgresql_server, disk) as url,
            installed(tmp_path, tmp_path / "var", database_url=url) as place,
        ):
            eventually(place.is_ready, what="ready")
            position, since = place.log.stat().st_size, time.monotonic()
            ballast = fill(disk)
            try:
                meet_full_tables(place, disk)
                last_at_least(since, FULL_SECONDS)
            finally:
                ballast.unlink()
            comes_to_rest(place)
            log_is_short(place, position, "database full: POST /sites/new")
            record_property(
                "figure", f"postgresql: disk full for {time.monotonic() - since:.0f} s: lost 0, doubled 0"
            )


def meet_full_tables(place: Installation, disk: Path) -> None:
    """Each write is refused once its table has no room left; what was accepted before is kept, the rest goes on."""
    answers = {
        "site": refusal(lambda number: place.person.ask("/sites/new", **filler(number)), disk),
        "keyword": refusal(lambda _number: place.add_keyword(), disk),
    }
    for name, answer in answers.items():
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60"), (name, answer.text)
        assert "Whoever runs this machine must free space." in answer.text
        assert "Nothing was saved." in answer.text
    assert place.program.ask("/healthz").status == 200
    assert place.person.ask("/keywords").status == 200
    checks = place.checks()
    assert (checks["database"], checks["queue"]) == ("full", "ok")


def filler(number: int) -> dict[str, str]:
    return SITE | {"name": f"Filler {number}", "url": f"https://example.com/{'long' * 400}"}


def refusal(send: Callable[[int], Answer], disk: Path) -> Answer:
    """The first answer that is no success; what others free meanwhile is filled again."""
    for number in range(1_000):
        answer = send(number)
        if answer.status not in (200, 201):
            return answer
        fill(disk)
    raise AssertionError("nothing was refused")


def test_a_queue_server_that_is_down(
    place: Installation, record_property: Callable[[str, Any], None]
) -> None:
    eventually(place.is_ready, what="ready")
    position, since = place.log.stat().st_size, time.monotonic()
    place.queue.kill()
    assert place.add_keyword().status == 201
    checks = place.checks()
    assert (checks["database"], checks["queue"]) == ("ok", "not answering")
    eventually(
        lambda: "Not working: Queue server<" in place.person.ask("/").text, what="said on the dashboard"
    )
    last_at_least(since, GONE_SECONDS)
    assert place.add_keyword().status == 201
    place.queue.start()
    comes_to_rest(place)
    log_is_short(place, position, "queue_server_away")
    record_property(
        "figure", f"{place.name}: queue server gone for {time.monotonic() - since:.0f} s: lost 0, doubled 0"
    )


@pytest.mark.full_trials
def test_a_build_without_its_safeguards_is_found(unsafe_place: Installation) -> None:
    place = unsafe_place
    eventually(place.is_ready, what="ready")
    position = place.log.stat().st_size
    with place.locked():
        eventually(lambda: any("sweep_step_failed" in line for line in place.lines_since(position)))
    with pytest.raises(AssertionError):
        log_is_short(place, position, "sweep_step_failed")
    eventually(place.is_ready, within=90, what="ready again")
    place.queue.kill()
    assert place.add_keyword().status == 201
    place.queue.start()
    eventually(place.is_ready, within=90, what="ready with the queue server")
    swept = place.log.stat().st_size
    place.sweep()
    assert place.unanswered(), place.lines_since(swept)
