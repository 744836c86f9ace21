"""Everything is stopped and restarted under load: runs are handed back and continue, none fails by it."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from app.business.automation.run_models import Reason, RunAttempt, Status
from app.infrastructure.database import only_reading, transaction
from tests.faults.fleet.storm import Site, deploy, trials

DEPLOYED = trials(20, 1)
GRACE = 30


def attempts(*where: object) -> int:
    with only_reading(), transaction() as session:
        return session.scalar(select(func.count()).select_from(RunAttempt).where(*where)) or 0


def test_a_deploy_under_load_loses_and_fails_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.storm(provider_seconds=0.4) as storm:
        storm.rage([deploy], DEPLOYED)
        storm.must_hold()
        assert attempts(RunAttempt.reason == Reason.WORKER_LOST) == 0, storm.crew.log()
        assert max(storm.ended_in) < GRACE
        handed_back = attempts(RunAttempt.status == Status.PENDING)
        figure(
            f"{DEPLOYED} deploys: lost 0, doubled 0, failed 0 of {storm.load.counts()}; {handed_back} handed back; "
            f"stopped within {max(storm.ended_in):.1f} s"
        )


@pytest.mark.full_trials
def test_a_worker_that_ends_its_runs_when_it_is_stopped_is_found(control_site: Site) -> None:
    with control_site.storm(provider_seconds=1, plant="fail_when_told_to_stop") as storm:
        # One that is stopped in its last unit ends as it should.
        for _ in range(5):
            storm.rage([deploy], 1)
            if attempts(RunAttempt.error_message == "Stopped."):
                break
        assert "Stopped." in storm.verdict()
