"""The same thing done by several at the same moment, each with a connection and a transaction of its own."""

from collections.abc import Callable
from threading import Barrier, Thread

from sqlalchemy.orm import Session

from app.infrastructure.database import db

AT_ONCE = 8


def together(work: Callable[[Session, int], None], count: int = AT_ONCE) -> None:
    """`work(session, number)` in `count` transactions that begin together; what one of them raises fails the test."""
    engine, barrier, faults = db.engine, Barrier(count), list[BaseException]()

    def one(number: int) -> None:
        try:
            barrier.wait(30)
            with Session(engine, expire_on_commit=False) as own, own.begin():
                work(own, number)
        except BaseException as fault:
            faults.append(fault)

    threads = [Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
