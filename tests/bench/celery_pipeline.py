"""Celery, prefork with one process: the straight pipeline, one task an event. Runs in the references' own Python."""

import json
import subprocess
import sys
import time

import straight_pipeline as pipeline
from celery import Celery

MODE, RUNS, URL, BROKER = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
WORKER = ["worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "ERROR", "--without-gossip"]

app = Celery("pipeline", broker=BROKER)
app.conf.update(task_ignore_result=True, task_default_queue="celery-reference")
engine = pipeline.open_engine(URL)


@app.task(name="pipeline.execute")
def execute(record_id: int) -> None:
    pipeline.execute(engine, record_id)


def measure() -> float:
    """Seconds from the first task that is sent to the last run that is recorded."""
    pipeline.set_up(engine, RUNS + 1)
    worker = subprocess.Popen([sys.executable, __file__, "worker", *sys.argv[2:]])
    try:
        execute.delay(RUNS + 1)
        pipeline.wait_for(engine, 1, every=0.05)
        begun = time.perf_counter()
        for number in range(1, RUNS + 1):
            execute.delay(number)
        pipeline.wait_for(engine, RUNS + 1, every=0.05)
        return time.perf_counter() - begun
    finally:
        worker.terminate()
        worker.wait(20)
        pipeline.tear_down(engine)


if __name__ == "__main__":
    if MODE == "worker":
        app.worker_main(WORKER)
    else:
        print(json.dumps(measure()))
