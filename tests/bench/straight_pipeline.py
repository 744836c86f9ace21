"""An event, its rule's condition, the action and the recorded run, written the straight way with SQLAlchemy: what the
references of W2 execute as one task of their queues.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import JSON, Engine, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

LONGEST_SECONDS = 240


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


def open_engine(url: str) -> Engine:
    engine = create_engine(url)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", _settings)
    return engine


def _settings(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def execute(engine: Engine, record_id: int) -> None:
    """The whole work of one event."""
    with Session(engine) as session:
        for rule in session.scalars(select(Rule).where(Rule.trigger == "keyword_added")).all():
            record = session.get(Record, record_id)
            if record is None or rule.word not in record.text:
                continue
            run = Run(rule_id=rule.id, record_id=record_id, status="running")
            session.add(run)
            session.commit()
            record.labels = [*record.labels, rule.label]
            run.status = "completed"
            session.commit()


def rows(records: int) -> Iterator[Base]:
    """A rule, and records with the ids from 1."""
    yield Rule(id=1, trigger="keyword_added", word="lamp", label="seen")
    for number in range(1, records + 1):
        yield Record(id=number, text=f"lamp {number}", labels=[])


def set_up(engine: Engine, rows: Iterable[Base]) -> None:
    """Empty tables with these rows."""
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(rows)
        session.commit()


def tear_down(engine: Engine) -> None:
    Base.metadata.drop_all(engine)


def wait_for(engine: Engine, run: Any, runs: int, every: float) -> None:
    """Until so many of these runs are recorded."""
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        with Session(engine) as session:
            if (session.scalar(select(func.count(run.id)).where(run.status == "completed")) or 0) >= runs:
                return
        time.sleep(every)
    raise TimeoutError(runs)
