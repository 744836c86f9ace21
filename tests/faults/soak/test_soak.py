"""Very many runs in one go, beside readers and writers: nothing is left over, refused or kept in memory for ever."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import databases
from tests.faults.outages.installation import installed
from tests.faults.soak.soak import Soak

RUNS, WARM_RUNS = 100_000, 10_000
FEW_RUNS, LEAKING_RUNS = 300, 40_000
MOST_GROWTH = 0.05
"""Of the memory after the first runs and pages, which load what is loaded late."""


@contextmanager
def soaked(folder: Path, url: str = "", plant: str = "", accounts: int = 5) -> Iterator[Soak]:
    """A new installation with accounts, before its first run."""
    with installed(folder, folder / "var", plant, url) as place:
        soak = Soak(place)
        soak.found(accounts)
        yield soak


def growth(soak: Soak, runs: int) -> tuple[float, str]:
    """How much more memory the processes have after so many more runs, as a part, and in words."""
    soak.execute(WARM_RUNS, readers=20, writers=5)
    soak.warm_up(20)
    before = soak.memory()
    soak.execute(runs, readers=20, writers=5)
    after = soak.memory()
    grown = sum(after.values()) / sum(before.values()) - 1
    each = ", ".join(
        f"{kind} {before.get(kind, 0):.1f} to {after.get(kind, 0):.1f}" for kind in before | after
    )
    return grown, f"memory {grown:+.1%} (MB: {each})"


@pytest.mark.full_trials
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_hundred_thousand_runs_in_one_go(
    database: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    with ExitStack() as stack:
        url = ""
        if database == "postgresql":
            url = stack.enter_context(databases.own_database(request.getfixturevalue("postgresql_server")))
        soak = stack.enter_context(soaked(tmp_path, url))
        grown, words = growth(soak, RUNS)
        record_property("figure", f"{database}: {soak.figures()}, {words}")
        assert soak.problems() == []
        assert grown <= MOST_GROWTH, words


@pytest.mark.full_trials
def test_a_leak_is_found(tmp_path: Path) -> None:
    with soaked(tmp_path, plant="keep_what_was_asked") as soak:
        grown, words = growth(soak, LEAKING_RUNS)
        assert grown > MOST_GROWTH, words


def test_some_runs_in_one_go_and_one_that_is_left_over(tmp_path: Path) -> None:
    with soaked(tmp_path, accounts=2) as soak:
        soak.execute(FEW_RUNS, readers=4, writers=2)
        assert soak.problems() == []
        soak.leave_one_open()
        assert soak.open_work()["runs that are open"] == 1
