"""The whole console restarts while programs and people use it: what they were told is saved is there afterwards."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from tests import databases
from tests.faults.outages.installation import Answer, Installation, installed
from tests.processes import eventually, running
from tests.sampling import times

RESTARTS = times(5, 1)
WRITERS, READERS, PAUSE_SECONDS = 3, 2, 0.2
GRACE = 30
CLEAN = {200, 201, 503}


def ask_on(ask: Callable[[], Answer], over: Event) -> list[Answer]:
    """Again and again, whatever the answer is."""
    answers = []
    while not over.wait(PAUSE_SECONDS):
        answers.append(ask())
    return answers


def restart(place: Installation, programs: ExitStack) -> float:
    """Stop everything and start it again, as an operator does; returns the seconds of the stop."""
    starts, began = place.log.read_text().count("Ready: "), time.monotonic()
    place.process.send_signal(signal.SIGTERM)
    place.process.wait(2 * GRACE)
    took = time.monotonic() - began
    place.process = programs.enter_context(running([*place.command, "up"], place.environment, place.log))
    eventually(lambda: place.log.read_text().count("Ready: ") > starts, within=120, what="ready again")
    return took


def deploy_under_use(place: Installation) -> str:
    """Restarts while others write and read; returns what they were told, in figures."""
    over, numbers = Event(), count()

    def write() -> Answer:
        text = f"written {next(numbers)}"
        answer = place.program.ask("/api/planner/keywords/", text=text, **place.sector)
        (place.accepted if answer.status == 201 else place.refused).append(text)
        return answer

    with ExitStack() as programs, ThreadPoolExecutor() as users:
        asked = [users.submit(ask_on, write, over) for _ in range(WRITERS)]
        asked += [users.submit(ask_on, lambda: place.person.ask("/keywords"), over) for _ in range(READERS)]
        try:
            stopped = [restart(place, programs) for _ in range(RESTARTS)]
        finally:
            over.set()
        statuses = Counter(answer.status for one in asked for answer in one.result())
        assert set(statuses) - {0} <= CLEAN, statuses
        assert max(stopped) < GRACE
        eventually(lambda: not place.unanswered(), within=240, what=place.unanswered())
        audited = place.audit()
        assert audited.returncode == 0, audited.stderr
    return f"{RESTARTS} restarts, answers by status {dict(statuses)} (0: nobody listened), {len(place.accepted)} saved"


@pytest.mark.full_trials
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_restart_under_use_keeps_all_that_was_accepted(
    database: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    with ExitStack() as stack:
        url = ""
        if database == "postgresql":
            url = stack.enter_context(databases.own_database(request.getfixturevalue("postgresql_server")))
        place = stack.enter_context(installed(tmp_path, tmp_path / "var", database_url=url))
        record_property("figure", f"{database}: {deploy_under_use(place)}: lost 0, doubled 0")
