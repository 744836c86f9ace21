"""Everything is stopped and restarted under load: runs are handed back and continue, none fails by it."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from app.business.automation.run_models import Reason, RunAttempt, Status
from app.infrastructure.database import only_reading, transaction
from tests.faults.fleet.chaos_trial import Site, deploy
from tests.sampling import times

DEPLOYED = times(20, 1)
GRACE = 30


def attempts(*where: object) -> int:
    with only_reading(), transaction() as session:
        return session.scalar(select(func.count()).select_from(RunAttempt).where(*where)) or 0


def test_a_deploy_under_load_loses_and_fails_nothing(site: Site, figure: Callable[[str], None]) -> None:
    with site.chaos_trial(provider_seconds=0.4) as trial:
        trial.inject([deploy], DEPLOYED)
        trial.must_hold()
        assert attempts(RunAttempt.reason == Reason.WORKER_LOST) == 0, trial.fleet.log()
        assert max(trial.ended_in) < GRACE
        handed_back = attempts(RunAttempt.status == Status.PENDING)
        figure(
            f"{DEPLOYED} deploys: lost 0, doubled 0, failed 0 of {trial.load.counts()}; {handed_back} handed back; "
            f"stopped within {max(trial.ended_in):.1f} s"
        )


@pytest.mark.full_trials
def test_a_worker_that_ends_its_runs_when_it_is_stopped_is_found(control_site: Site) -> None:
    with control_site.chaos_trial(provider_seconds=1, plant="fail_when_told_to_stop") as trial:
        # One that is stopped in its last unit ends as it should.
        for _ in range(5):
            trial.inject([deploy], 1)
            if attempts(RunAttempt.error_message == "Stopped."):
                break
        assert "Stopped." in trial.verdict()
