"""The queue server loses everything, or dies and restarts empty: only time may be lost, and not much of it."""

from collections.abc import Callable

from tests.faults.fleet.crew import AS_SHIPPED
from tests.faults.fleet.storm import Site, flush, kill_queue_server, trials

FLUSHED, DIED = trials(100, 2), trials(50, 1)


def test_a_flushed_queue_server_loses_and_duplicates_nothing(
    site: Site, figure: Callable[[str], None]
) -> None:
    with site.storm(pace=AS_SHIPPED) as storm:
        storm.await_crew()
        storm.pause = (0.5, 3)
        storm.rage([flush], FLUSHED)
        storm.must_hold()
        late = storm.load.lateness()
        figure(
            f"{FLUSHED} flushes: lost 0, doubled 0 of {storm.load.counts()}; latest start {late[-1]:.2f} s"
        )


def test_a_queue_server_that_dies_loses_and_duplicates_nothing(
    site: Site, figure: Callable[[str], None]
) -> None:
    with site.storm(pace=AS_SHIPPED) as storm:
        storm.await_crew()
        storm.pause = (1, 4)
        storm.rage([kill_queue_server], DIED)
        storm.must_hold()
        assert not storm.acts["processes that did not outlive the queue server"], storm.crew.log()
        late = storm.load.lateness()
        figure(f"{DIED} deaths of the queue server: all processes outlived it; latest start {late[-1]:.2f} s")


def test_a_scheduler_that_does_not_check_is_found(control_site: Site) -> None:
    with control_site.storm(plant="leave_recurring_jobs_lost") as storm:
        # A flush before the scheduler is up would find nothing to lose: it writes them once, at its start.
        storm.await_crew()
        storm.rage([flush], 1)
        assert "does not come to rest" in storm.verdict(within=8)
