"""RQ's own SimpleWorker: the straight pipeline, one job for each event, sent to an idle worker one after the other."""

import json
import statistics
import subprocess
import sys
import time

import straight_pipeline as pipeline
from redis import Redis
from rq import Queue, SimpleWorker

MODE, EVENTS, URL, ADDRESS = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
WARMING_UP = 5

engine = pipeline.open_engine(URL)


def execute(record_id: int) -> None:
    pipeline.execute(engine, record_id)


def measure() -> float:
    """The median of the milliseconds from sending a job to its recorded run."""
    pipeline.set_up(engine, pipeline.rows(EVENTS))
    queue, waited = Queue("rq-reference", connection=Redis.from_url(ADDRESS)), []
    worker = subprocess.Popen([sys.executable, __file__, "worker", *sys.argv[2:]])
    try:
        for number in range(1, EVENTS + 1):
            begun = time.perf_counter()
            queue.enqueue("rq_pipeline.execute", number)
            pipeline.wait_for(engine, pipeline.Run, number, every=0.001)
            waited.append((time.perf_counter() - begun) * 1000)
        return statistics.median(waited[WARMING_UP:])
    finally:
        worker.terminate()
        worker.wait(20)
        pipeline.tear_down(engine)


if __name__ == "__main__":
    if MODE == "worker":
        # Jobs name this module, which reads the same arguments.
        sys.modules["rq_pipeline"] = sys.modules["__main__"]
        SimpleWorker(["rq-reference"], connection=Redis.from_url(ADDRESS)).work(logging_level="ERROR")
    else:
        print(json.dumps(measure()))
