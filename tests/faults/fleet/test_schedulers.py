"""Two and three schedulers at once, some of them stopped past their lock or killed: every time has one run."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import delete, select, text, update

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask
from app.infrastructure.database import db
from tests.faults.fleet.chaos_trial import Site, kill_scheduler, pause_scheduler
from tests.faults.fleet.load import utc_now
from tests.processes import eventually
from tests.sampling import times

OCCURRENCES = times(2000, 20)
AT_ONCE = 20
THREE = {"clock": 3, "worker": 1, "scheduler": 3}


def test_three_schedulers_start_nothing_twice(site: Site, figure: Callable[[str], None]) -> None:
    with site.chaos_trial(fleet=THREE) as trial:
        for _ in range(OCCURRENCES // AT_ONCE):
            for _ in range(AT_ONCE):
                trial.load.add_tick(1)
            trial.inject([pause_scheduler, kill_scheduler], 1)
        trial.must_hold()
        figure(f"three schedulers, {dict(trial.acts)}: lost 0, doubled 0 of {trial.load.counts()}")


@pytest.mark.full_trials
def test_without_a_guard_on_the_claim_runs_are_duplicated(control_site: Site) -> None:
    with control_site.chaos_trial(fleet=THREE, plant="claim_without_a_guard") as trial:
        trial.load.add_ticks_at_once(AT_ONCE, AT_ONCE / 2)
        assert "was completed 2 times" in trial.verdict(within=40)


@pytest.mark.parametrize("plant", ["", "plan_again_and_again"])
def test_planned_times_are_duplicated_only_by_a_broken_planner(control_site: Site, plant: str) -> None:
    with control_site.chaos_trial(fleet={"worker": 1}, plant=plant) as trial:
        with db.engine.begin() as connection:
            connection.execute(text("DROP INDEX uq_scheduled_task_due"))
        set_back_the_planner(trial.load.every_minute, utc_now())
        trial.fleet.start_all({"clock": 1, "scheduler": 1})
        trial.load.add_tick(1)
        assert ("rows for" in trial.verdict(within=15)) == bool(plant)


@pytest.mark.parametrize("plant", times(["", "forget_what_is_due"], [""]))
def test_times_that_came_while_nobody_planned_are_lost_only_by_a_broken_planner(
    control_site: Site, plant: str
) -> None:
    with control_site.chaos_trial(fleet={"worker": 1}, plant=plant) as trial:
        rule_id = trial.load.add_tick(0)
        due = trial.load.due[rule_id]
        # As after a long time off: what came due meanwhile has no row yet.
        with db.engine.begin() as connection:
            run_ids = select(ScheduledTask.id).where(ScheduledTask.automation_rule_id == rule_id)
            connection.execute(delete(RunDetail).where(RunDetail.run_id.in_(run_ids)))
            connection.execute(delete(ScheduledTask).where(ScheduledTask.automation_rule_id == rule_id))
        set_back_the_planner(rule_id, due)
        eventually(lambda: utc_now() > due)
        trial.fleet.start_all({"clock": 1, "scheduler": 1})
        assert bool(trial.verdict(within=8 if plant else 60)) == bool(plant)


def set_back_the_planner(rule_id: int, at: datetime) -> None:
    with db.engine.begin() as connection:
        connection.execute(
            update(AutomationRule).where(AutomationRule.id == rule_id).values(unplanned_from=at)
        )
