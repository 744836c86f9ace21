"""Workers and schedulers die at random moments under load: nothing is lost, nothing happens twice."""

import re
from collections.abc import Callable

import pytest

from tests.faults.fleet.chaos_trial import KILLS, Site, kill_worker_and_horse
from tests.sampling import times

KILLED = times(500, 3)
MORE_THAN_NEEDED = {"clock": 2, "worker": 3, "scheduler": 2}


def test_killed_processes_lose_and_duplicate_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.chaos_trial(fleet=MORE_THAN_NEEDED, provider_seconds=0.15) as trial:
        trial.inject(KILLS, KILLED)
        trial.must_hold()
        figure(f"{KILLED} kills {dict(trial.acts)}: lost 0, doubled 0 of {trial.load.counts()}")


@pytest.mark.full_trials
def test_a_build_that_rescues_nobody_loses_runs(control_site: Site) -> None:
    with control_site.chaos_trial(provider_seconds=0.6, plant="rescue_nobody") as trial:
        trial.inject([kill_worker_and_horse], 2)
        assert "still open: run" in trial.verdict(within=12)


@pytest.mark.full_trials
def test_a_build_without_constant_keys_requests_the_same_work_twice(control_site: Site) -> None:
    with control_site.chaos_trial(provider_seconds=0.6, plant="new_key_for_each_try") as trial:
        for _ in range(10):
            trial.inject([kill_worker_and_horse], 1)
            # What comes after the last dash is another one at each try.
            keys = {re.sub(r"-p\d+$", "", key) for key in trial.load.provider.asked}
            if len({key.rpartition("-")[0] for key in keys}) < len(keys):
                break
        assert "pieces of work were asked for" in trial.verdict()
