"""Workers and schedulers die at random moments under load: nothing is lost, nothing happens twice."""

from collections.abc import Callable

import pytest

from tests.faults.fleet.storm import KILLS, Site, kill_worker_and_horse, trials

KILLED = trials(500, 5)
MORE_THAN_NEEDED = {"clock": 2, "worker": 3, "scheduler": 2}


def test_killed_processes_lose_and_duplicate_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.storm(crew=MORE_THAN_NEEDED, provider_seconds=0.15) as storm:
        storm.rage(KILLS, KILLED)
        storm.must_hold()
        figure(f"{KILLED} kills {dict(storm.acts)}: lost 0, doubled 0 of {storm.load.counts()}")


@pytest.mark.full_trials
def test_a_build_that_rescues_nobody_loses_runs(control_site: Site) -> None:
    with control_site.storm(provider_seconds=0.6, plant="rescue_nobody") as storm:
        storm.rage([kill_worker_and_horse], 2)
        assert "still open: run" in storm.verdict(within=12)


@pytest.mark.full_trials
def test_a_build_without_constant_keys_requests_the_same_work_twice(control_site: Site) -> None:
    with control_site.storm(provider_seconds=0.6, plant="new_key_for_each_try") as storm:
        for _ in range(10):
            storm.rage([kill_worker_and_horse], 1)
            # What comes after the last dash is another one at each try.
            units = {key.rpartition("-")[0] for key in storm.load.provider.asked}
            if len(units) < len(storm.load.provider.asked):
                break
        assert "pieces of work were asked for" in storm.verdict()
