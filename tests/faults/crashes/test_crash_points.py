"""The points at which the trials end a process: each is reached there, and none is known to the product."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy.orm import Session

from app import ROOT
from tests.factories import make_account, make_sector, make_site
from tests.faults.crashes.crash_points import OF_SENDING, POINTS, VARIABLE
from tests.faults.crashes.trials import Trials
from tests.processes import FLASK, clean_environment
from tests.sampling import times


def test_every_point_is_reached(world: Session, trials: Trials, valkey: Redis) -> None:
    """Those of sending: in the trials of what leaves, which fail where a child does not come to its point."""
    sector = make_sector(world, make_site(world, make_account(world, granted_at=datetime.now(UTC))))
    world.commit()
    for point in [point for point in POINTS if point not in OF_SENDING]:
        valkey.flushdb()
        broken = ["hand-over"] if point == "between-commands" else []
        if "hand" in point or broken:
            assert trials.dies("hand_over", dies=point, without=broken), point
        else:
            assert trials.dies("type_keyword", sector.id, f"lamp {point}", dies=point), point


def test_a_child_that_does_not_come_to_its_point_fails_the_trial(
    world: Session, trials: Trials, valkey: Redis
) -> None:
    with pytest.raises(AssertionError, match="came to no before-hint:99"):
        trials.run("sweep", dies="before-hint:99")


@pytest.mark.parametrize("point", times(full=["before-commit", "after-commit"], sample=["after-commit"]))
def test_started_as_people_start_it_no_process_ends_at_a_point(
    app: Flask, valkey: Redis, tmp_path: Path, point: str
) -> None:
    settings = app.extensions["settings"]
    environment = clean_environment(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        SECRET_KEY=settings.signing_key,
        DATA_DIR=str(tmp_path),
        **{VARIABLE: point},
    )
    assert subprocess.run([*FLASK, "sweep"], cwd=ROOT, env=environment, check=False).returncode == 0
