"""Celery, prefork with one process: an event, its rule's condition, the action and the recorded run as one task each,
written the straight way with SQLAlchemy. Runs in the references' own Python.
"""

import json
import subprocess
import sys
import time
from typing import Any

from celery import Celery
from sqlalchemy import JSON, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

MODE, RUNS, URL, BROKER = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
LONGEST_SECONDS = 240
WORKER = ["worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "ERROR", "--without-gossip"]

app = Celery("pipeline", broker=BROKER)
app.conf.update(task_ignore_result=True, task_default_queue="celery-reference")
engine = create_engine(URL)


class Base(DeclarativeBase):
    pass


class Rule(Base):
    __tablename__ = "reference_rule"
    id: Mapped[int] = mapped_column(primary_key=True)
    trigger: Mapped[str]
    word: Mapped[str]
    label: Mapped[str]


class Record(Base):
    __tablename__ = "reference_record"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(JSON)


class Run(Base):
    __tablename__ = "reference_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    rule_id: Mapped[int]
    record_id: Mapped[int]
    status: Mapped[str]


if URL.startswith("sqlite"):

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")


@app.task(name="pipeline.execute")
def execute(record_id: int) -> None:
    with Session(engine) as session:
        for rule in session.scalars(select(Rule).where(Rule.trigger == "keyword_added")).all():
            record = session.get(Record, record_id)
            if rule.word not in record.text:
                continue
            run = Run(rule_id=rule.id, record_id=record_id, status="running")
            session.add(run)
            session.commit()
            record.labels = [*record.labels, rule.label]
            run.status = "completed"
            session.commit()


def measure() -> float:
    """Seconds from the first task that is sent to the last run that is recorded."""
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Rule(id=1, trigger="keyword_added", word="lamp", label="seen"))
        session.add_all(Record(id=number, text=f"lamp {number}", labels=[]) for number in range(1, RUNS + 2))
        session.commit()
    worker = subprocess.Popen([sys.executable, __file__, "worker", *sys.argv[2:]])
    try:
        execute.delay(RUNS + 1)
        until(1)
        begun = time.perf_counter()
        for number in range(1, RUNS + 1):
            execute.delay(number)
        until(RUNS + 1)
        return time.perf_counter() - begun
    finally:
        worker.terminate()
        worker.wait(20)
        Base.metadata.drop_all(engine)


def until(runs: int) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        with Session(engine) as session:
            if session.scalar(select(func.count(Run.id)).where(Run.status == "completed")) >= runs:
                return
        time.sleep(0.05)
    raise TimeoutError(runs)


if __name__ == "__main__":
    if MODE == "worker":
        app.worker_main(WORKER)
    else:
        print(json.dumps(measure()))
