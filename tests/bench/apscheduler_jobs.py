"""APScheduler 3 with its SQLAlchemy store: so many jobs, so many of them due. Runs in the references' own Python."""

import json
import pickle
import sys
import time
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import insert


def measure(jobs: int, due: int, url: str) -> float:
    """Seconds of the pass that finds the due ones, moves each to its next time, and hands it over."""
    store = SQLAlchemyJobStore(url=url)
    scheduler = BackgroundScheduler(
        jobstores={"default": store}, executors={"default": DebugExecutor()}, timezone=UTC
    )
    scheduler.start(paused=True)
    job = scheduler.add_job(
        "time:time", "cron", hour=3, minute=0, id="first", misfire_grace_time=None, coalesce=True
    )
    state, now = job.__getstate__(), datetime.now(UTC)
    rows = []
    for number in range(jobs):
        at = now - timedelta(seconds=1) if number < due else now + timedelta(hours=1)
        state |= {"id": f"job-{number}", "next_run_time": at}
        rows.append(
            {
                "id": state["id"],
                "next_run_time": at.timestamp(),
                "job_state": pickle.dumps(state, pickle.HIGHEST_PROTOCOL),
            }
        )
    with store.engine.begin() as connection:
        connection.execute(insert(store.jobs_t), rows)
    begun = time.perf_counter()
    scheduler.state = 1
    scheduler._process_jobs()
    return time.perf_counter() - begun


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), f"sqlite:///{folder}/jobs.sqlite3")))
