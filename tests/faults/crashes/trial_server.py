"""A process that has everything ready and forks a child for each piece of work, as step workers do.

Orders come in as JSON lines: lists of children that work at once. Answers go out as lists of their exit codes,
negative where a signal ended them. The first argument names the file of the clock that all follow.
"""

import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import event

# Imported before the forks, so that no child spends a second on it.
import app.infrastructure.ai.openai_compatible  # noqa: F401
from app import create_app
from app.infrastructure.database import db
from app.infrastructure.messaging import automation_tasks, relay
from app.infrastructure.process_life import die_with_parent
from tests import shared_clock
from tests.faults.crashes import crash_points
from tests.faults.crashes.broken_builds import BROKEN
from tests.faults.crashes.works import WORKS


def serve(clock: str) -> None:
    """Until the orders end."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # What the product prints is for the log.
    os.dup2(2, 1)
    shared_clock.follow(clock)
    application = create_app(web=False)
    _warm(application)
    crash_points.install()
    print("ready", file=answers)
    for line in sys.stdin:
        children = [_fork(application, order) for order in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), file=answers)


def _warm(application: Flask) -> None:
    """Statements compiled here need not be compiled in each child. Its connections stay here."""
    with application.app_context():
        automation_tasks.sweep()
        db.engine.dispose()
        relay.server().close()
    # The children shall not copy all this only because their collector looks at it.
    gc.freeze()


def _fork(application: Flask, order: Mapping[str, Any]) -> int:
    parent = os.getpid()
    if child := os.fork():
        return child
    try:
        die_with_parent(parent)
        os.environ.update(order["environment"])
        own_database = "DATABASE_URL" in order["environment"]
        with _clock(order["at"]), (create_app(web=False) if own_database else application).app_context():
            for name in order["without"]:
                BROKEN[name]()
            event.listen(db.engine, "before_cursor_execute", lambda *_: crash_points.crash_point("statement"))
            WORKS[order["work"]](*order["arguments"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _clock(at: str | None) -> AbstractContextManager[Any]:
    return time_machine.travel(datetime.fromisoformat(at)) if at else nullcontext()


if __name__ == "__main__":
    serve(sys.argv[1])
