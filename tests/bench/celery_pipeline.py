"""Celery, prefork with one process: a straight pipeline, one task an event. Runs in the references' own Python."""

import json
import subprocess
import sys
import time

import paid_pipeline
import straight_pipeline
from celery import Celery
from straight_pipeline import open_engine, set_up, tear_down, wait_for

MODE, KIND, RUNS, URL, BROKER = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
WORKER = ["worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "ERROR", "--without-gossip"]

app = Celery("pipeline", broker=BROKER)
app.conf.update(task_ignore_result=True, task_default_queue="celery-reference")
engine = open_engine(URL)
pipeline = {"free": straight_pipeline, "paid": paid_pipeline}[KIND]


@app.task(name="pipeline.execute")
def execute(record_id: int) -> None:
    pipeline.execute(engine, record_id)


def measure() -> float:
    """Seconds from the first task that is sent to the last run that is recorded."""
    set_up(engine, pipeline.rows(RUNS + 1))
    worker = subprocess.Popen([sys.executable, __file__, "worker", *sys.argv[2:]])
    try:
        execute.delay(RUNS + 1)
        wait_for(engine, pipeline.Run, 1, every=0.05)
        begun = time.perf_counter()
        for number in range(1, RUNS + 1):
            execute.delay(number)
        wait_for(engine, pipeline.Run, RUNS + 1, every=0.05)
        return time.perf_counter() - begun
    finally:
        worker.terminate()
        worker.wait(20)
        tear_down(engine)


if __name__ == "__main__":
    if MODE == "worker":
        app.worker_main(WORKER)
    else:
        print(json.dumps(measure()))
