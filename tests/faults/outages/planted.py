"""`flask --app wsgi …` of builds without one of their safeguards, or with a leak: the trials must find them."""

import sys
from collections.abc import Callable

from flask.cli import main
from sqlalchemy import Engine, event

from app.business.automation.services.triggering import dispatch
from app.infrastructure import logs
from app.infrastructure.messaging import sweep_steps


def write_tracebacks() -> None:
    """The log shows where a fault was met, with pages of frames."""
    logs.SHARED.remove(logs.keep_cause_only)


def lose_what_was_not_delivered() -> None:
    """What did not reach the queue server is never looked for again."""
    steps = {step.__name__: step for step in sweep_steps.RECOVERY_STEPS}
    del steps["dispatch_events"], steps["_wake_overdue"]
    sweep_steps.RECOVERY_STEPS = tuple(steps.values())
    dispatch.dispatch_batches = lambda *_, **__: dispatch.Dispatched()


def keep_what_was_asked() -> None:
    """A kilobyte for each statement, in every process."""
    kept: list[bytes] = []
    event.listen(Engine, "after_cursor_execute", lambda *_: kept.append(bytes(1000)))


PLANTS: dict[str, Callable[[], None]] = {
    "write_tracebacks": write_tracebacks,
    "lose_what_was_not_delivered": lose_what_was_not_delivered,
    "keep_what_was_asked": keep_what_was_asked,
}

if __name__ == "__main__":
    for plant in sys.argv.pop(1).split(","):
        PLANTS[plant]()
    main()
