"""Forks the product's own commands from a process that has everything loaded, as `up` does: a start costs little.

Each line of its standard input is an order, `{"command", "environment", "pace", "plant", "clock", "log"}`; it answers
with the id of the new process. Ending it ends them all.
"""

import gc
import json
import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any, NoReturn

from app import create_app
from app.business.automation.services.runs import lease as run_lease
from app.infrastructure import logs
from app.infrastructure.messaging import engine, periodic, scheduler
from app.infrastructure.process_life import die_with_parent
from app.settings import load_settings
from tests import shared_clock
from tests.faults.fleet.plants import PLANTS


def main() -> None:
    # The kernel collects the dead.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    parent = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(json.loads(line), parent)
        print(pid, flush=True)  # noqa: T201 - its answer


def live(order: dict[str, Any], parent: int) -> NoReturn:
    """Become the command of the order. Workers wait for their own children."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(log, number)
        os.environ.clear()
        os.environ.update(order["environment"])
        time.tzset()
        if order["clock"]:
            shared_clock.follow(order["clock"])
        set_pace(**order["pace"])
        if order["plant"]:
            PLANTS[order["plant"]]()
        settings = load_settings()
        logs.configure(settings.log_level)
        app = create_app(settings, web=order["command"] == "web")
        with app.app_context():
            app.cli.commands[order["command"]].main([], standalone_mode=False)
        code = 0
    except BaseException as end:
        sys.stderr.write(f"{order['command']}: {type(end).__name__}: {end}\n")
    finally:
        os._exit(code)


def set_pace(lease: float, beat: float, sweep: float) -> None:
    """Seconds of a lease, between two heartbeats and between two sweeps: a trial cannot wait for minutes."""
    run_lease.LEASE = timedelta(seconds=lease)
    engine.HEARTBEAT_SECONDS = beat
    for entry in periodic.PERIODIC:
        if entry.seconds:
            object.__setattr__(entry, "seconds", sweep)
    scheduler.HEARTBEAT_SECONDS = min(scheduler.HEARTBEAT_SECONDS, sweep)


if __name__ == "__main__":
    main()
