"""Start delay with idle workers, and with five hundred runs due in one second: measured, not judged.

The tests assert that all of them ran once; the figures are printed, to be read on a quiet machine.
"""

import time
from collections.abc import Callable, Sequence

import pytest

from tests.faults.fleet.chaos_trial import Site
from tests.faults.fleet.processes import AS_SHIPPED
from tests.sampling import times

RUNS, AT_ONCE = times(500, 6), times(500, 20)
EVERY = 0.5


def lateness_words(late: Sequence[float]) -> str:
    def part(share: float) -> float:
        return late[min(len(late) - 1, int(share * len(late)))]

    return f"p50 {part(0.5):.2f} s, p99 {part(0.99):.2f} s, latest {late[-1]:.2f} s"


def test_runs_of_idle_workers_start_in_their_second(
    control_site: Site, figure: Callable[[str], None]
) -> None:
    with control_site.chaos_trial(pace=AS_SHIPPED) as trial:
        trial.await_fleet()
        for _ in range(RUNS):
            trial.load.add_tick(5)
            time.sleep(EVERY)
        trial.must_hold()
        assert len(trial.load.lateness()) == RUNS
        figure(f"{RUNS} runs at odd seconds: started late by {lateness_words(trial.load.lateness())}")


@pytest.mark.full_trials
def test_many_rules_due_in_one_second_all_start(control_site: Site, figure: Callable[[str], None]) -> None:
    with control_site.chaos_trial(pace=AS_SHIPPED) as trial:
        trial.await_fleet()
        began = time.monotonic()
        trial.load.add_ticks_at_once(AT_ONCE, seconds=5 + AT_ONCE / 4)
        saved = time.monotonic() - began
        trial.must_hold()
        late = trial.load.lateness()
        assert len(late) == AT_ONCE
        figure(
            f"{AT_ONCE} rules due in one second (saved in {saved:.1f} s): started late by {lateness_words(late)}"
        )
