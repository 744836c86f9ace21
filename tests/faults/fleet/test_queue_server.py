"""The queue server loses everything, or dies and restarts empty: only time may be lost, and not much of it."""

from collections.abc import Callable

import pytest

from tests.faults.fleet.chaos_trial import Site, flush, kill_queue_server
from tests.faults.fleet.processes import AS_SHIPPED
from tests.sampling import times

FLUSHED, DIED = times(100, 2), times(50, 1)


def test_a_flushed_queue_server_loses_and_duplicates_nothing(
    site: Site, figure: Callable[[str], None]
) -> None:
    with site.chaos_trial(pace=AS_SHIPPED) as trial:
        trial.await_fleet()
        trial.pause = (0.5, 3)
        trial.inject([flush], FLUSHED)
        trial.must_hold()
        late = trial.load.lateness()
        figure(
            f"{FLUSHED} flushes: lost 0, doubled 0 of {trial.load.counts()}; latest start {late[-1]:.2f} s"
        )


def test_a_queue_server_that_dies_loses_and_duplicates_nothing(
    site: Site, figure: Callable[[str], None]
) -> None:
    with site.chaos_trial(pace=AS_SHIPPED) as trial:
        trial.await_fleet()
        trial.pause = (1, 4)
        trial.inject([kill_queue_server], DIED)
        trial.must_hold()
        assert not trial.acts["processes that did not outlive the queue server"], trial.fleet.log()
        late = trial.load.lateness()
        figure(f"{DIED} deaths of the queue server: all processes outlived it; latest start {late[-1]:.2f} s")


@pytest.mark.full_trials
def test_a_scheduler_that_does_not_check_is_found(control_site: Site) -> None:
    with control_site.chaos_trial(plant="leave_recurring_jobs_lost") as trial:
        # A flush before the scheduler is up would find nothing to lose: it writes them once, at its start.
        trial.await_fleet()
        trial.inject([flush], 1)
        assert "does not come to rest" in trial.verdict(within=8)
