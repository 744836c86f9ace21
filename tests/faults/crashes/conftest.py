"""Child processes that work, and die, on the tests' own database and queue server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy.orm import Session

from tests.faults.crashes.trials import Trials, trials_on


@pytest.fixture(scope="session")
def kept_trials(
    shared_app: Flask, database_url: str, valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """Children for this database; needs the tables of `shared_app`."""
    with trials_on(database_url, valkey_server, tmp_path_factory.mktemp("trials")) as trials:
        yield trials


@pytest.fixture
def trials(kept_trials: Trials, today: datetime) -> Trials:
    """Children whose clock goes on from `today`."""
    kept_trials.clock.move_to(today)
    return kept_trials


@pytest.fixture
def world(session: Session, valkey: Redis) -> Session:
    """An empty database and an empty queue server."""
    return session


@pytest.fixture
def today() -> datetime:
    """When a trial begins: this quarter of an hour, which ends with recurring jobs, has only begun.

    Not far from the real time, by which the queue server forgets alarms.
    """
    return first_minute(datetime.now(UTC))


def first_minute(now: datetime) -> datetime:
    """The end of the last first minute of a quarter of an hour, never later than `now`: what is due by the children's
    clock only would wait for an alarm."""
    minute_ago = (now - timedelta(minutes=1)).replace(second=0, microsecond=0)
    return minute_ago - timedelta(minutes=minute_ago.minute % 15 - 1)
