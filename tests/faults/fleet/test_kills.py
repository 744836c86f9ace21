"""Workers and schedulers die at random moments under load: nothing is lost, nothing happens twice."""

from collections.abc import Callable

import pytest

from tests.faults.fleet.storm import KILLS, Site, kill_worker_and_horse, trials

KILLED = trials(500, 10)
MORE_THAN_NEEDED = {"clock": 2, "worker": 3, "scheduler": 2}


def test_killed_processes_lose_and_double_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.storm(crew=MORE_THAN_NEEDED) as storm:
        storm.rage(KILLS, KILLED)
        assert storm.verdict() == ""
        figure(f"{KILLED} kills {dict(storm.acts)}: lost 0, doubled 0 of {storm.load.counts()}")


@pytest.mark.parametrize("plant", ["rescue_nobody", "claim_without_a_guard", "new_key_for_each_try"])
def test_a_broken_build_does_not_outlive_the_kills(control_site: Site, plant: str) -> None:
    with control_site.storm(crew=MORE_THAN_NEEDED, plant=plant) as storm:
        storm.rage([kill_worker_and_horse], 4)
        assert storm.verdict(within=20) != ""
